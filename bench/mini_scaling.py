#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""What mini-batch training costs each rank on P = 1 ... 64 thread ranks, from the run's own metrics.jsonl, as Markdown.

    bench/mini_scaling.py --orthoplex build/bin/orthoplex --folder DIR [--grids 1x1x1,...]
    bench/mini_scaling.py --cost RUN_DIRECTORY      the last epoch's phases of one run

All ranks share this machine's cores, so seconds do not get fewer with P and no speed-up is claimed. What compares exactly
is per step and rank: rows of the batch, bytes received (rank 0, by axis), and all ranks' bytes; the shares of the epoch that
rank 0 waited for communication and for its next batch are what this machine gives while its cores are over-subscribed.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

GRIDS = "1x1x1,1x1x2,1x2x2,2x2x2,2x2x2x2,2x2x4,2x4x4,4x4x4,2x2x4x4"


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--orthoplex", default="build/bin/orthoplex")
    p.add_argument("--folder", default=".", help="rmat16.opx is made here")
    p.add_argument("--grids", default=GRIDS)
    p.add_argument("--ratio", type=float, default=0.05, help="of a sub-batch; a step takes one for each replica")
    p.add_argument("--flags", default="--layers 3 --hidden 64 --estimator unbiased", help="further flags of orthoplex train")
    p.add_argument("--cost", help="prints the phases of this run directory's last epoch instead")
    return p.parse_args()


def last_epoch(run):
    with open(os.path.join(run, "metrics.jsonl")) as lines:
        return json.loads(lines.readlines()[-1])


def print_cost(run):
    epoch = last_epoch(run)
    seconds = epoch["seconds"]
    print(f"epoch {epoch['epoch']}: {seconds:.3f} s, {epoch['steps']} steps of {epoch['vertices'] / epoch['steps']:.0f} vertices")
    for phase, spent in epoch["seconds_by_phase"].items():
        note = "  (building or waiting for batches: what the step does not hide)" if phase == "sample" else ""
        print(f"  {phase:<12}{spent:>9.3f} s {100 * spent / seconds:>6.1f} %{note}")


def train(args, graph, grid):
    shape = [int(g) for g in grid.split("x")] + [1] * (4 - len(grid.split("x")))
    ranks = shape[0] * shape[1] * shape[2] * shape[3]
    with tempfile.TemporaryDirectory(prefix="opx-scaling-") as scratch:
        run = os.path.join(scratch, "run")
        subprocess.run([args.orthoplex, "-q", "train", graph, "--mode", "mini", "--batch-ratio", str(args.ratio), "--grid",
                        "x".join(map(str, shape)), "--ranks", str(ranks), "--threads", "1", "--epochs", "2", "--eval-every",
                        "0", "--run-dir", run, *args.flags.split()], check=True, stdout=subprocess.DEVNULL)
        return ranks, shape[3], last_epoch(run)


def print_row(grid, ranks, replicas, epoch):
    steps, seconds = epoch["steps"], epoch["seconds"]
    received = {axis: bytes_ / steps / 1024 for axis, bytes_ in epoch["bytes_by_axis"].items() if bytes_}
    total = sum(received.values())
    by_axis = ", ".join(f"{axis} {k:.0f}" for axis, k in received.items()) or "none"
    phases = epoch["seconds_by_phase"]
    work = sum(phases.get(p, 0) for p in ("spmm", "gemm", "elementwise", "loss", "optimizer"))
    rows = epoch["vertices"] / epoch["sub_batches"] / (ranks / replicas)
    print(f"| {ranks} | {grid} | {steps} | {rows:.0f} | {total:.0f} ({by_axis}) | {total * ranks / 1024:.1f} | "
          f"{1000 * seconds / steps:.1f} | {1000 * work / steps:.1f} | {100 * phases.get('comm', 0) / seconds:.0f} % | "
          f"{100 * phases.get('sample', 0) / seconds:.1f} % | {epoch['loss']:.5f} |", flush=True)


def main():
    args = arguments()
    if args.cost:
        return print_cost(args.cost)
    os.makedirs(args.folder, exist_ok=True)
    graph = os.path.join(args.folder, "rmat16.opx")
    if not os.path.exists(graph):
        subprocess.run([args.orthoplex, "-q", "generate", "rmat", "--scale", "16", "--edge-factor", "16", "--feature-dim", "64",
                        "--classes", "16", "-o", graph], check=True, stdout=sys.stderr)
    print("| P | grid | steps an epoch | batch rows of a rank | KiB a rank receives a step (by axis) | MiB of all ranks a step | "
          "ms a step | ms of work, rank 0 | communication exposed | sampling exposed | loss |\n|" + "---|" * 11, flush=True)
    for grid in args.grids.split(","):
        print_row(grid, *train(args, graph, grid))


if __name__ == "__main__":
    main()
