# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""PyG's samplers, a turn for every line "SAMPLER SECONDS" on standard input; answers with JSON lines.

Started by sampling_rivals.py in the interpreter that has PyG. SAMPLER: neighbor (NeighborLoader, fan-out 15,10,5 of 1024
seeds) or saint (GraphSAINTNodeSampler, a budget of `ratio` of the vertices). Each turn starts the loader's workers and
throws away as many batches as they run ahead (two each) before its time begins, and ends them after it. What is counted
is the vertices of the sampled subgraphs that the loader hands out; no features are attached to the graph, so none are
sliced.
"""
import argparse
import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import torch  # noqa: E402
from torch_geometric.data import Data  # noqa: E402
from torch_geometric.loader import GraphSAINTNodeSampler, NeighborLoader  # noqa: E402
from torch_sparse import SparseTensor  # noqa: E402

import rival_graph  # noqa: E402


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("folder", help="holds indptr.npy and indices.npy")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--ratio", type=float, default=0.05)
    p.add_argument("--fanouts", default="15,10,5")
    p.add_argument("--seeds", type=int, default=1024, help="of a batch of NeighborLoader")
    p.add_argument("--samplers", default="neighbor,saint")
    return p.parse_args()


def neighbor_loader(args, n, indptr, indices):
    adj_t = SparseTensor(rowptr=indptr, col=indices, sparse_sizes=(n, n), is_sorted=True, trust_data=True)
    return NeighborLoader(Data(adj_t=adj_t, num_nodes=n), num_neighbors=[int(f) for f in args.fanouts.split(",")],
                          batch_size=args.seeds, shuffle=True, num_workers=args.workers)


def saint_loader(args, n, indptr, indices):
    rows = torch.repeat_interleave(torch.arange(n), indptr.diff())
    data = Data(edge_index=torch.stack([rows, indices]), num_nodes=n)
    return GraphSAINTNodeSampler(data, batch_size=int(args.ratio * n), num_steps=1 << 20, num_workers=args.workers)


def turn(loader, ahead, seconds):
    """Takes batches until the time is over."""
    batches = iter(loader)
    for _ in range(ahead):
        next(batches)
    count = vertices = edges = 0
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds or count == 0:
        batch = next(batches)
        count += 1
        vertices += batch.num_nodes
        edges += batch.num_edges
    return dict(batches=count, vertices=vertices, edges=edges, seconds=elapsed)


def main():
    args = arguments()
    torch.set_num_threads(max(1, args.workers))
    indptr, indices = (torch.from_numpy(a) for a in rival_graph.load(args.folder))
    indices = indices.long()
    n = len(indptr) - 1
    make = dict(neighbor=neighbor_loader, saint=saint_loader)
    loaders = {name: make[name](args, n, indptr, indices) for name in args.samplers.split(",")}
    del indptr, indices
    print(json.dumps(dict(ready=True, torch=torch.__version__)), flush=True)
    for line in sys.stdin:
        name, seconds = line.split()
        print(json.dumps(turn(loaders[name], 2 * max(1, args.workers), float(seconds))), flush=True)


if __name__ == "__main__":
    main()
