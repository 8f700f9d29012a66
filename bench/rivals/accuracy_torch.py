#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""The accuracy that PyTorch reaches with the settings of our own accuracy runs, as JSON: mean and standard deviation of
the test score at the last epoch and at the best validation epoch, per case.

    accuracy_torch.py --data FOLDER [--case cora-gcn ...] [--seeds N] [--first-seed N] [--threads N]

FOLDER holds one folder a graph in OGB's raw csv layout (raw/edge.csv.gz, node-feat.csv.gz, node-label.csv.gz,
split/*/train.csv.gz, ...), edges stored once. Needs torch, numpy and pandas in a virtual environment:

    python3 -m venv torch-env && torch-env/bin/pip install torch numpy pandas

Two layers, Glorot weights, zero biases, Adam with lr 0.01, dropout 0.5 on every layer's input, transform before aggregate,
features divided by their row sum, weight decay (L2) on the first layer's weights only; learned features start as ours do.
The model is scored every --eval-every epochs and after the last one (the best validation epoch is one of those).
Features that are mostly zeros are kept sparse: dropout leaves zeros alone, so it is the same model, in a tenth of the time.
"""
import argparse
import json
import math
import pathlib
import statistics
import sys
import time

import numpy as np
import pandas
import torch
import torch.nn.functional as F

CASES = {
    "cora-gcn": dict(data="cora", model="gcn", hidden=16, weight_decay=5e-4, epochs=200, seeds=10),
    "citeseer-gcn": dict(data="citeseer", model="gcn", hidden=16, weight_decay=5e-4, epochs=200, seeds=10),
    "amazon-photo-gcn": dict(data="amazon-photo", model="gcn", hidden=64, weight_decay=0.0, epochs=300, seeds=5),
    "amazon-photo-sage": dict(data="amazon-photo", model="sage", hidden=64, weight_decay=0.0, epochs=300, seeds=5),
    "blogcatalog-gcn": dict(data="blogcatalog", model="gcn", hidden=128, weight_decay=0.0, epochs=200, seeds=3,
                            learned=128),
}


# ---- reading ---------------------------------------------------------------------------------------------------------
def read_csv(path):
    return pandas.read_csv(path, header=None).to_numpy().copy()


def read_split(folder):
    (kind,) = (folder / "split").iterdir()
    return {name: torch.from_numpy(read_csv(kind / f"{name}.csv.gz").ravel()) for name in ("train", "valid", "test")}


def read_graph(folder):
    raw = folder / "raw"
    vertices = int(read_csv(raw / "num-node-list.csv.gz")[0, 0])
    edges = read_csv(raw / "edge.csv.gz").T
    edges = np.unique(np.concatenate([edges, edges[::-1]], axis=1), axis=1)  # stored once: add the inverse
    features = None
    if (raw / "node-feat.csv.gz").exists():
        features = torch.from_numpy(read_csv(raw / "node-feat.csv.gz").astype(np.float32))
        sums = features.sum(1, keepdim=True)
        features = features / torch.where(sums == 0, torch.ones_like(sums), sums)
    labels = torch.from_numpy(read_csv(raw / "node-label.csv.gz").astype(np.float32))
    return dict(vertices=vertices, edges=edges, features=features, labels=labels, split=read_split(folder))


class Multiply(torch.autograd.Function):
    """A x for a constant A: the transpose is made once, not in every backward pass."""

    @staticmethod
    def forward(ctx, pair, x):
        ctx.transposed = pair[1]
        return torch.sparse.mm(pair[0], x)

    @staticmethod
    def backward(ctx, gradient):
        return None, torch.sparse.mm(ctx.transposed, gradient)


def adjacency(graph, model):
    """Sparse A[dst, src] and its transpose: symmetric with self loops for gcn, the mean over neighbours for sage."""
    n = graph["vertices"]
    src, dst = graph["edges"]
    if model == "gcn":
        keep = src != dst
        loops = np.arange(n)
        src, dst = np.concatenate([src[keep], loops]), np.concatenate([dst[keep], loops])
    degree = np.maximum(np.bincount(dst, minlength=n), 1)
    values = 1 / np.sqrt(degree[src] * degree[dst]) if model == "gcn" else 1 / degree[dst]
    index = torch.from_numpy(np.stack([dst, src]))
    a = torch.sparse_coo_tensor(index, torch.from_numpy(values).float(), (n, n), check_invariants=False).coalesce()
    return a.to_sparse_csr(), a.t().coalesce().to_sparse_csr()


class SparseFeatures:
    """Features that are mostly zeros, with dropout on what is not zero."""

    def __init__(self, dense):
        self.sparse = dense.to_sparse_csr()
        self.shape = dense.shape

    def dropout(self, training):
        values = F.dropout(self.sparse.values(), 0.5, training)
        return torch.sparse_csr_tensor(self.sparse.crow_indices(), self.sparse.col_indices(), values, self.shape,
                                       check_invariants=False)


def keep_sparse(graph):
    if graph["features"] is not None and (graph["features"] != 0).float().mean() < 0.1:
        graph["features"] = SparseFeatures(graph["features"])


# ---- model -----------------------------------------------------------------------------------------------------------
def glorot(rows, cols):
    bound = math.sqrt(6 / (rows + cols))
    return torch.nn.Parameter(torch.empty(rows, cols).uniform_(-bound, bound))


class Model(torch.nn.Module):
    def __init__(self, kind, widths):
        super().__init__()
        self.kind = kind
        pairs = list(zip(widths, widths[1:]))
        self.weight = torch.nn.ParameterList(glorot(i, o) for i, o in pairs)
        self.self_weight = torch.nn.ParameterList(glorot(i, o) for i, o in pairs if kind == "sage")
        self.bias = torch.nn.ParameterList(torch.nn.Parameter(torch.zeros(o)) for _, o in pairs)

    def forward(self, x, a):
        for layer, (weight, bias) in enumerate(zip(self.weight, self.bias)):
            x = x.dropout(self.training) if isinstance(x, SparseFeatures) else F.dropout(x, 0.5, self.training)
            q = Multiply.apply(a, x @ weight) + bias
            if self.kind == "sage":
                q = q + x @ self.self_weight[layer]
            x = F.relu(q) if layer + 1 < len(self.weight) else q
        return x

    def groups(self, weight_decay):
        first = [self.weight[0], *list(self.self_weight)[:1]]
        rest = [p for p in self.parameters() if all(p is not f for f in first)]
        return [dict(params=first, weight_decay=weight_decay), dict(params=rest, weight_decay=0.0)]


# ---- scores ----------------------------------------------------------------------------------------------------------
def accuracy(logits, labels):
    return (logits.argmax(1) == labels.ravel().long()).float().mean().item()


def micro_f1_known_counts(logits, labels):
    """micro-F1 where each vertex's number of labels is given: its that many largest logits are the prediction."""
    rank = logits.argsort(1, descending=True).argsort(1)
    predicted = rank < labels.sum(1, keepdim=True)
    return (predicted & (labels > 0)).sum().item() / labels.sum().item()


def micro_f1_threshold(logits, labels):
    predicted = logits > 0
    return 2 * (predicted & (labels > 0)).sum().item() / (predicted.sum().item() + labels.sum().item())


def score(logits, labels, rows, multilabel):
    measure = micro_f1_known_counts if multilabel else accuracy
    return measure(logits[rows], labels[rows])


# ---- runs ------------------------------------------------------------------------------------------------------------
def build(graph, case, seed):
    torch.manual_seed(seed)
    n, multilabel = graph["vertices"], graph["labels"].shape[1] > 1
    x = graph["features"]
    if x is None:
        bound = math.sqrt(3 / case["learned"])  # as `orthoplex train --features learned`
        x = torch.nn.Parameter(torch.empty(n, case["learned"]).uniform_(-bound, bound))
    classes = graph["labels"].shape[1] if multilabel else int(np.nanmax(graph["labels"].numpy())) + 1
    model = Model(case["model"], [x.shape[1], case["hidden"], classes])
    groups = model.groups(case["weight_decay"])
    if isinstance(x, torch.nn.Parameter):
        groups.append(dict(params=[x], weight_decay=0.0))
    return x, model, torch.optim.Adam(groups, lr=0.01), multilabel


def run(graph, a, case, seed, eval_every):
    x, model, optimizer, multilabel = build(graph, case, seed)
    labels, split = graph["labels"], graph["split"]
    train = split["train"]
    best, result = -1.0, {}
    for epoch in range(1, case["epochs"] + 1):
        model.train()
        optimizer.zero_grad()
        logits = model(x, a)[train]
        loss = (F.binary_cross_entropy_with_logits(logits, labels[train]) if multilabel
                else F.cross_entropy(logits, labels[train].ravel().long()))
        loss.backward()
        optimizer.step()
        if epoch < case["epochs"] and (eval_every == 0 or epoch % eval_every):
            continue
        model.eval()
        with torch.no_grad():
            logits = model(x, a)
        valid = score(logits, labels, split["valid"], multilabel)
        result["last"] = score(logits, labels, split["test"], multilabel)
        if valid > best:
            best, result["best_valid"] = valid, result["last"]
    if multilabel:
        result["last_at_half"] = micro_f1_threshold(logits[split["test"]], labels[split["test"]])
    return result


def summary(values):
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return dict(mean=round(statistics.mean(values), 5), std=round(deviation, 5),
                standard_error=round(deviation / math.sqrt(len(values)), 5), values=[round(v, 5) for v in values])


def run_case(name, options):
    case = CASES[name]
    seeds = range(options.first_seed, options.first_seed + (options.seeds or case["seeds"]))
    graph = read_graph(options.data / case["data"])
    a = adjacency(graph, case["model"])
    start = time.perf_counter()
    keep_sparse(graph)
    runs = [run(graph, a, case, seed, options.eval_every) for seed in seeds]
    scores = {key: summary([r[key] for r in runs]) for key in runs[0]}
    metric = "micro_f1_topk" if "last_at_half" in runs[0] else "accuracy"
    return dict(case=name, **case, metric=metric, count=len(runs), seconds=round(time.perf_counter() - start, 1), **scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--case", nargs="*", choices=list(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, default=0, help="0: as many as the case says")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--eval-every", type=int, default=1, help="0: after the last epoch only")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = []
    for name in options.case:
        results.append(run_case(name, options))
        print(f"{name}: {results[-1]['last']['mean']:.4f} in {results[-1]['seconds']} s", file=sys.stderr)
    print(json.dumps(dict(torch=torch.__version__, threads=options.threads, results=results), indent=1))


if __name__ == "__main__":
    main()
