#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Our test scores beside PyTorch's with the same settings, and their difference in standard errors, as a table.

    torch-env/bin/python accuracy_compare.py --orthoplex build/bin/orthoplex --stores FOLDER --data FOLDER
        [--case cora-gcn ...] [--seeds N] [--record FILE] [--threads N]

The cases and PyTorch's side are those of accuracy_torch.py; ours trains the stores NAME.opx, made by
`orthoplex prepare --add-inverse-edge` from the same folders. Both sides drop out the features before they are aggregated,
and both score the test vertices after the last epoch. --record keeps one line a run, so that a stopped comparison goes on
where it was. The two sides draw different numbers, so their seeds are not paired: the standard error of the difference is
the root of the sum of both squares.
"""
import argparse
import json
import math
import pathlib
import shutil
import statistics
import subprocess
import tempfile

import torch

import accuracy_torch


def our_flags(case):
    flags = ["--model", case["model"], "--layers", "2", "--hidden", case["hidden"], "--epochs", case["epochs"], "--lr", "0.01",
             "--optimizer", "adam", "--dropout", "0.5", "--eval-every", "0"]
    if case["weight_decay"] > 0:
        flags += ["--weight-decay", case["weight_decay"], "--weight-decay-on", "first"]
    if "learned" in case:
        return [*flags, "--features", "learned", "--feature-dim", case["learned"]]
    return [*flags, "--feature-norm", "row", "--first-aggregation", "recomputed"]


def run_ours(options, case, seed):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="opx-accuracy-"))
    command = [options.orthoplex.resolve(), "-q", "--json", "train", options.stores / f"{case['data']}.opx", "--run-dir", folder / "run",
               "--seed", seed, "--threads", options.threads, *our_flags(case)]
    try:
        result = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    finally:
        shutil.rmtree(folder)
    return json.loads(result.stdout)["last"]["test"]["micro_f1_topk" if "learned" in case else "accuracy"]


class TorchSide:
    """Runs of one case; the graph is read when the first is asked for."""

    def __init__(self, options, case):
        self.options, self.case, self.graph = options, case, None

    def run(self, seed):
        if self.graph is None:
            self.graph = accuracy_torch.read_graph(self.options.data / self.case["data"])
            self.matrix = accuracy_torch.adjacency(self.graph, self.case["model"])
            accuracy_torch.keep_sparse(self.graph)
        return accuracy_torch.run(self.graph, self.matrix, self.case, seed, 0)["last"]


def recorded(path):
    scores = {}
    if path and path.exists():
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            scores[entry["case"], entry["side"], entry["seed"]] = entry["score"]
    return scores


def collect(options, name, scores):
    case = accuracy_torch.CASES[name]
    torch_side = TorchSide(options, case)
    for seed in range(options.seeds or case["seeds"]):
        for side, run in (("ours", lambda s: run_ours(options, case, s)), ("torch", torch_side.run)):
            if (name, side, seed) in scores:
                continue
            scores[name, side, seed] = run(seed)
            if options.record:
                with options.record.open("a") as file:
                    file.write(json.dumps(dict(case=name, side=side, seed=seed, score=scores[name, side, seed])) + "\n")


def mean_and_error(values):
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return statistics.mean(values), error


def row(name, scores):
    sides = [[score for (case, side, _), score in scores.items() if (case, side) == (name, wanted)]
             for wanted in ("ours", "torch")]
    (ours, our_error), (theirs, their_error) = map(mean_and_error, sides)
    both = math.hypot(our_error, their_error)
    return (f"| {name} | {ours:.4f} +- {our_error:.4f} ({len(sides[0])}) | {theirs:.4f} +- {their_error:.4f} ({len(sides[1])}) "
            f"| {ours - theirs:+.4f} | {(ours - theirs) / both:+.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orthoplex", type=pathlib.Path, required=True)
    parser.add_argument("--stores", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--case", nargs="*", choices=list(accuracy_torch.CASES), default=list(accuracy_torch.CASES))
    parser.add_argument("--seeds", type=int, default=0, help="of each side; 0: as many as the case says")
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    scores = recorded(options.record)
    print("| case | ours (seeds) | PyTorch (seeds) | difference | in its standard errors |\n|---|---|---|---|---|")
    for name in options.case:
        collect(options, name, scores)
        print(row(name, scores), flush=True)


if __name__ == "__main__":
    main()
