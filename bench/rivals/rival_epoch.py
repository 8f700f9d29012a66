# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""What epoch_dgl.py and epoch_pyg.py share: arguments, the training loop, and the JSON they print."""
import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F

import rival_graph


def arguments(description):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("folder", help="holds indptr.npy and indices.npy")
    p.add_argument("--features", type=int, default=128)
    p.add_argument("--hidden", type=int, default=128)
    p.add_argument("--classes", type=int, default=47)
    p.add_argument("--layers", type=int, default=3)
    p.add_argument("--dropout", type=float, default=0.5, help="on every layer's input")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--warmups", type=int, default=1)
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    return args


class Network(torch.nn.Module):
    """`convolutions` are called as convolution(x); dropout on every input, relu between."""

    def __init__(self, convolutions, dropout):
        super().__init__()
        self.convolutions = torch.nn.ModuleList(convolutions)
        self.dropout = dropout

    def forward(self, x, call):
        for i, convolution in enumerate(self.convolutions):
            x = call(convolution, F.dropout(x, self.dropout, training=True))
            if i + 1 < len(self.convolutions):
                x = F.relu(x)
        return x


def widths(args):
    return [args.features] + [args.hidden] * (args.layers - 1) + [args.classes]


def wait(on_gpu):
    if on_gpu:
        torch.cuda.synchronize()


def run(args, library, convolutions, call):
    """Trains with Adam on every vertex; prints the median of the epochs' seconds, the process's peak memory, and the GPU's."""
    indptr, _ = rival_graph.load(args.folder)
    n = len(indptr) - 1
    del indptr
    x = torch.from_numpy(rival_graph.features(n, args.features)).to(args.device)
    y = torch.from_numpy(rival_graph.labels(n, args.classes)).to(args.device)
    network = Network(convolutions, args.dropout).to(args.device)
    on_gpu = args.device == "cuda"
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    seconds = []
    for epoch in range(args.warmups + args.epochs):
        wait(on_gpu)
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x, call), y)
        loss.backward()
        optimizer.step()
        wait(on_gpu)
        if epoch >= args.warmups:
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"library": library, "torch": torch.__version__, "threads": args.threads, "device": args.device,
                      "median": statistics.median(seconds), "min": min(seconds), "max": max(seconds),
                      "loss": loss.item(), "peak_gpu": torch.cuda.max_memory_allocated() if on_gpu else 0,
                      "peak_resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}), flush=True)
