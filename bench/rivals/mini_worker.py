# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Trains GraphSAGE (mean) in PyG or DGL with neighbour sampling until a validation accuracy is reached; prints JSON.

Started by mini_time_to_accuracy.py in the interpreter that has the library. The seconds of an epoch run from asking the
loader for its first batch to the last optimiser step; evaluation (a full-graph forward pass after every epoch) and reading
are not counted. Worker processes live from epoch to epoch; starting them falls into the first one.
"""
import argparse
import json
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("DGLBACKEND", "pytorch")
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("library", choices=["pyg", "dgl"])
    p.add_argument("graph", help="the .npz of mini_graph.py")
    p.add_argument("--target", type=float, required=True, help="validation accuracy at which training ends")
    p.add_argument("--epochs", type=int, default=100, help="at most")
    p.add_argument("--most-seconds", type=float, default=60, help="of training, at most")
    p.add_argument("--fanouts", default="15,10")
    p.add_argument("--batch", type=int, default=1024)
    p.add_argument("--hidden", type=int, default=64)
    p.add_argument("--dropout", type=float, default=0.2)
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--workers", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    args.fanouts = [int(f) for f in args.fanouts.split(",")]
    return args


class PyG:
    """NeighborLoader on a SparseTensor, features and labels sliced by it."""

    def __init__(self, args, data, x, y):
        from torch_geometric.data import Data
        from torch_geometric.loader import NeighborLoader
        from torch_geometric.nn import SAGEConv
        from torch_sparse import SparseTensor
        import torch_geometric

        self.name = f"PyG {torch_geometric.__version__} NeighborLoader"
        n = len(y)
        self.adj_t = SparseTensor(rowptr=torch.from_numpy(data["indptr"]), col=torch.from_numpy(data["indices"]).long(),
                                  sparse_sizes=(n, n), is_sorted=True, trust_data=True)
        self.loader = NeighborLoader(Data(x=x, y=y, adj_t=self.adj_t, num_nodes=n), num_neighbors=args.fanouts,
                                     input_nodes=torch.from_numpy(data["train"]), batch_size=args.batch, shuffle=True,
                                     num_workers=args.workers, persistent_workers=args.workers > 0)
        self.convolution = lambda i, o: SAGEConv(i, o, aggr="mean")

    def batches(self):
        for batch in self.loader:
            yield batch.x, [batch.adj_t] * 8, batch.y[: batch.batch_size], batch.batch_size

    def whole(self):
        return [self.adj_t] * 8

    @staticmethod
    def call(convolution, x, a):
        return convolution(x, a)


class DGL:
    """DataLoader with the fused NeighborSampler on an int64 graph in csc (int32 with it crashes), shrinking blocks."""

    def __init__(self, args, data, x, y):
        import dgl
        import dgl.nn
        from dgl.dataloading import DataLoader, NeighborSampler

        self.name = f"DGL {dgl.__version__} NeighborSampler"
        csc = (torch.from_numpy(data["indptr"]), torch.from_numpy(data["indices"]).long(), [])
        self.graph = dgl.graph(("csc", csc), num_nodes=len(y))
        self.graph.create_formats_()
        self.x, self.y = x, y
        train = torch.from_numpy(data["train"])
        self.loader = DataLoader(self.graph, train, NeighborSampler(args.fanouts, fused=True), batch_size=args.batch,
                                 shuffle=True, num_workers=args.workers, persistent_workers=args.workers > 0)
        self.convolution = lambda i, o: dgl.nn.SAGEConv(i, o, "mean")

    def batches(self):
        for inputs, outputs, blocks in self.loader:
            yield self.x[inputs], blocks, self.y[outputs], len(outputs)

    def whole(self):
        return [self.graph] * 8

    @staticmethod
    def call(convolution, x, block):
        return convolution(block, x)


class Network(torch.nn.Module):
    def __init__(self, library, widths, dropout):
        super().__init__()
        self.call = library.call
        self.dropout = dropout
        self.convolutions = torch.nn.ModuleList(library.convolution(i, o) for i, o in zip(widths, widths[1:]))

    def forward(self, x, graphs):
        for layer, convolution in enumerate(self.convolutions):
            x = self.call(convolution, F.dropout(x, self.dropout, self.training), graphs[layer])
            if layer + 1 < len(self.convolutions):
                x = F.relu(x)
        return x


def train_epoch(library, network, optimizer):
    network.train()
    start = time.perf_counter()
    for x, graphs, y, targets in library.batches():
        optimizer.zero_grad()
        F.cross_entropy(network(x, graphs)[:targets], y).backward()
        optimizer.step()
    return time.perf_counter() - start


@torch.no_grad()
def evaluate(library, network, x, y, data):
    network.eval()
    right = (network(x, library.whole()).argmax(1) == y).float()
    return {part: right[torch.from_numpy(data[part])].mean().item() for part in ("valid", "test")}


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    data = dict(np.load(args.graph))
    x, y = torch.from_numpy(data["features"]), torch.from_numpy(data["labels"])
    library = dict(pyg=PyG, dgl=DGL)[args.library](args, data, x, y)
    widths = [x.shape[1], *[args.hidden] * (len(args.fanouts) - 1), int(y.max()) + 1]
    network = Network(library, widths, args.dropout)
    optimizer = torch.optim.Adam(network.parameters(), lr=args.lr)
    seconds, curve, reached = 0.0, [], False
    while not reached and len(curve) < args.epochs and seconds < args.most_seconds:
        seconds += train_epoch(library, network, optimizer)
        score = evaluate(library, network, x, y, data)
        curve.append([round(seconds, 3), round(score["valid"], 4), round(score["test"], 4)])
        reached = score["valid"] >= args.target
    print(json.dumps(dict(library=library.name, torch=torch.__version__, fanouts=args.fanouts, batch=args.batch, lr=args.lr,
                          workers=args.workers, threads=args.threads, target=args.target, reached=reached,
                          epochs=len(curve), seconds=seconds, valid=score["valid"], test=score["test"], curve=curve)),
          flush=True)


if __name__ == "__main__":
    main()
