#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Test accuracy of samplers x estimators x batch ratios beside the full graph, as the Markdown table of docs/sampling.md.

    bench/mini_accuracy.py --folder DIR --graph cora --sampler stratified,uniform --ratio 0.1 [--seeds N]

DIR holds GRAPH.opx (prepared; planted200k.opx by bench/planted200k.sh). Settings per graph are below, those of the full
graph the same; an epoch is one pass of the sampler. Each cell: mean +- standard error over seeds 0, 1, ..., in per cent,
at the last epoch and at the epoch of the best validation accuracy. A run that fails is a row with its message.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile

PLANETOID = "--hidden 16 --weight-decay 5e-4 --weight-decay-on first --feature-norm row --dropout 0.5"
SETTINGS = {  # epochs of the full graph, of mini-batches, seeds, flags
    "cora": (200, 200, 10, PLANETOID),
    "citeseer": (200, 200, 10, PLANETOID),
    "amazon-photo": (300, 100, 5, "--hidden 64 --feature-norm row --dropout 0.5"),
    "planted200k": (200, 30, 3, "--hidden 64 --dropout 0.2 --schedule cosine"),
}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--orthoplex", default="build/bin/orthoplex")
    p.add_argument("--folder", required=True)
    p.add_argument("--graph", default=",".join(SETTINGS))
    p.add_argument("--sampler", default="stratified,uniform,degree,train,cluster,saint-walk")
    p.add_argument("--estimator", default="unbiased,self-normalised")
    p.add_argument("--ratio", default="0.1")
    p.add_argument("--model", default="gcn")
    p.add_argument("--first-aggregation", default="cached", help="cached (exact in every sub-batch) or recomputed (sampled), of the full graph too")
    p.add_argument("--seeds", type=int, default=0, help="0: as many as the graph's settings say")
    p.add_argument("--epochs", type=int, default=0, help="of mini-batches; 0: as the graph's settings say")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--extra", default="", help="further flags of every run")
    p.add_argument("--prefix", default="", help="a command to run every training through, as 'nice'")
    p.add_argument("--without-full", action="store_true", help="no rows of the full graph")
    p.add_argument("--json", help="appends one object a row to this file")
    return p.parse_args()


def train(args, graph, seed, flags):
    """The report of one run, or the message it ended with."""
    with tempfile.TemporaryDirectory(prefix="opx-accuracy-") as scratch:
        done = subprocess.run([*args.prefix.split(), args.orthoplex, "-q", "--json", "train", os.path.join(args.folder, graph + ".opx"), "--run-dir",
                               os.path.join(scratch, "run"), "--seed", str(seed), "--threads", str(args.threads), "--layers", "2",
                               *([] if "--lr " in args.extra else ["--lr", "0.01"]), "--model", args.model, "--first-aggregation",
                               args.first_aggregation, *flags, *args.extra.split()],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            return (done.stderr.strip().splitlines() or ["no message"])[-1]
        with open(os.path.join(scratch, "run", "metrics.jsonl")) as lines:
            return dict(json.loads(done.stdout), epoch=json.loads(lines.readlines()[-1]))


def cell(values):
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{100 * statistics.mean(values):.2f} +- {100 * error:.2f}"


def row(args, graph, seeds, name, estimator, ratio, flags):
    reports = [train(args, graph, seed, flags) for seed in range(seeds)]
    failed = [r for r in reports if isinstance(r, str)]
    if failed:
        print(f"| {graph} | {name} | {estimator} | {ratio} | {args.first_aggregation} | failed: {failed[0]} | | | | |", flush=True)
        return
    last = [r["last"]["test"]["accuracy"] for r in reports]
    best = [r["best"]["test"]["accuracy"] for r in reports]
    epoch = reports[0]["epoch"]
    degree = "" if name == "full" else f"{epoch['mean_in_batch_degree']:.2f}"
    lonely = "" if name == "full" else f"{100 * epoch['share_without_neighbours']:.0f} %"
    print(f"| {graph} | {name} | {estimator} | {ratio} | {args.first_aggregation} | {cell(last)} | {cell(best)} | {degree} | {lonely} | {seeds} |", flush=True)
    if args.json:
        with open(args.json, "a") as out:
            out.write(json.dumps(dict(graph=graph, sampler=name, estimator=estimator, ratio=ratio, model=args.model,
                                      first_aggregation=args.first_aggregation, extra=args.extra, flags=flags, last=last, best=best)) + "\n")


def main():
    args = arguments()
    print("| graph | sampler | estimator | ratio | first aggregation | test, last | test, best valid | in-batch degree | rows alone | seeds |\n"
          "|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for graph in args.graph.split(","):
        full_epochs, epochs, seeds, flags = SETTINGS[graph]
        flags, seeds, epochs = flags.split(), args.seeds or seeds, args.epochs or epochs
        every = ["--eval-every", "1" if graph != "planted200k" else "2"]
        if not args.without_full:
            row(args, graph, seeds, "full", "", "1", [*flags, "--epochs", str(full_epochs), *every])
        for ratio in args.ratio.split(","):
            for sampler in args.sampler.split(","):
                for estimator in args.estimator.split(","):
                    row(args, graph, seeds, sampler, estimator, ratio,
                        [*flags, "--mode", "mini", "--batch-ratio", ratio, "--sampler", sampler, "--estimator",
                         estimator, "--epochs", str(epochs), *every])


if __name__ == "__main__":
    main()
