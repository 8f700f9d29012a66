#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""The accuracy that PyTorch reaches with the uniform vertex sampler and either estimator, as JSON: what `orthoplex train
--mode mini --sampler uniform` is compared with. A batch is the subgraph induced by a chunk of one random permutation of
all vertices an epoch (so every vertex is in one batch of an epoch), with the normalised weights of the full graph, and

    unbiased         each off-diagonal edge divided by (B - 1) / (N - 1), B the vertices of the batch
    self-normalised  each row's off-diagonal edges scaled to the off-diagonal sum of the full row; a row without any
                     neighbour in the batch keeps its diagonal alone
    raw              neither (for comparison only)

The diagonal is left as it is. One Adam step a batch, on the mean loss of its training vertices; a batch without any is
passed over. Model and settings are those of accuracy_torch.py; evaluation is a forward pass on the full graph.

    mini_torch.py --data FOLDER [--case cora ...] [--ratio 0.1] [--estimator unbiased] [--epochs N] [--seeds N]

An epoch is one pass over the vertices: 1 / ratio steps. FOLDER and requirements as accuracy_torch.py (and scipy).
"""
import argparse
import json
import pathlib
import sys
import time

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F

import accuracy_torch as full

CASES = {
    "cora": dict(data="cora", model="gcn", hidden=16, weight_decay=5e-4, epochs=200, seeds=10),
    "citeseer": dict(data="citeseer", model="gcn", hidden=16, weight_decay=5e-4, epochs=200, seeds=10),
    "amazon-photo": dict(data="amazon-photo", model="gcn", hidden=64, weight_decay=0.0, epochs=100, seeds=5),
}


class InducedBatches:
    """The normalised adjacency as CSR, and the rescaled induced subgraph of any set of vertices."""

    def __init__(self, adjacency, estimator):
        parts = [part.numpy() for part in (adjacency.values(), adjacency.col_indices(), adjacency.crow_indices())]
        self.full = scipy.sparse.csr_matrix(tuple(parts), shape=tuple(adjacency.shape))
        self.off_diagonal = np.asarray(self.full.sum(1)).ravel() - self.full.diagonal()
        self.estimator = estimator

    def __call__(self, chosen):
        sub = self.full[chosen][:, chosen].tocoo()
        row, col, value = sub.row, sub.col, sub.data.copy()
        off = row != col
        if self.estimator == "unbiased":
            value[off] /= (len(chosen) - 1) / (self.full.shape[0] - 1)
        elif self.estimator == "self-normalised":
            sums = np.bincount(row[off], weights=value[off], minlength=len(chosen))
            scale = np.divide(self.off_diagonal[chosen], sums, out=np.zeros_like(sums), where=sums > 0)
            value[off] *= scale[row[off]].astype(value.dtype)
        degree = off.sum() / len(chosen)
        lonely = 1 - len(np.unique(row[off])) / len(chosen)
        shape = (len(chosen), len(chosen))
        a = torch.sparse_coo_tensor(torch.from_numpy(np.stack([row, col]).astype(np.int64)), torch.from_numpy(value),
                                    shape, check_invariants=False, is_coalesced=True)
        return (a, a.t().coalesce()), degree, lonely


def train_epoch(model, optimizer, batches, x, labels, is_train, ratio, random):
    """One pass over the vertices; the mean in-batch degree and the share of rows without neighbours."""
    n = len(labels)
    pieces = max(1, round(1 / ratio))
    order = random.permutation(n)
    degrees, lonelies = [], []
    model.train()
    for piece in range(pieces):
        chosen = np.sort(order[piece * n // pieces : (piece + 1) * n // pieces])
        target = torch.from_numpy(np.flatnonzero(is_train[chosen]))
        if len(target) == 0:
            continue
        a, degree, lonely = batches(chosen)
        degrees.append(degree)
        lonelies.append(lonely)
        rows = torch.from_numpy(chosen)
        optimizer.zero_grad()
        F.cross_entropy(model(x[rows], a)[target], labels[rows][target]).backward()
        optimizer.step()
    return float(np.mean(degrees)), float(np.mean(lonelies))


def run(graph, a, case, options, seed):
    x, model, optimizer, _ = full.build(graph, case, seed)
    split, labels = graph["split"], graph["labels"].ravel().long()
    is_train = np.zeros(graph["vertices"], bool)
    is_train[split["train"].numpy()] = True
    batches = InducedBatches(a[0], options.estimator)
    random = np.random.default_rng(1000 + seed)
    best, result = -1.0, {}
    for _ in range(case["epochs"]):
        result["degree"], result["lonely"] = train_epoch(model, optimizer, batches, x, labels, is_train,
                                                         options.ratio, random)
        model.eval()
        with torch.no_grad():
            logits = model(x, a)
        valid = full.accuracy(logits[split["valid"]], labels[split["valid"]])
        result["last"] = full.accuracy(logits[split["test"]], labels[split["test"]])
        if valid > best:
            best, result["best_valid"] = valid, result["last"]
    return result


def run_case(name, options):
    case = dict(CASES[name])
    case["epochs"] = options.epochs or case["epochs"]
    case["seeds"] = options.seeds or case["seeds"]
    graph = full.read_graph(options.data / case["data"])
    a = full.adjacency(graph, case["model"])
    start = time.perf_counter()
    runs = [run(graph, a, case, options, seed) for seed in range(options.first_seed, options.first_seed + case["seeds"])]
    scores = {key: full.summary([r[key] for r in runs]) for key in runs[0]}
    return dict(case=name, **case, ratio=options.ratio, estimator=options.estimator,
                seconds=round(time.perf_counter() - start, 1), **scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--case", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--ratio", type=float, default=0.1)
    parser.add_argument("--estimator", choices=["unbiased", "self-normalised", "raw"], default="unbiased")
    parser.add_argument("--epochs", type=int, default=0, help="passes over the vertices; 0: as the case says")
    parser.add_argument("--seeds", type=int, default=0, help="0: as many as the case says")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="batches are small: one is the fastest")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = []
    for name in options.case:
        r = run_case(name, options)
        results.append(r)
        print(f"{name:<13} {options.estimator:<16} ratio {options.ratio:g} {r['epochs']} epochs {r['seeds']} seeds: last "
              f"{100 * r['last']['mean']:.2f} +- {100 * r['last']['standard_error']:.2f}, best validation "
              f"{100 * r['best_valid']['mean']:.2f} +- {100 * r['best_valid']['standard_error']:.2f}; in-batch degree "
              f"{r['degree']['mean']:.2f}, without neighbours {r['lonely']['mean']:.2f}; {r['seconds']} s", file=sys.stderr)
    print(json.dumps(dict(torch=torch.__version__, threads=options.threads, results=results), indent=1))


if __name__ == "__main__":
    main()
