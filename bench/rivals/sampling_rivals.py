#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Vertices per second of our batches, PyG's NeighborLoader and PyG's GraphSAINTNodeSampler on the same graph, turn by
turn in one run. Prints a table (or JSON) of medians and of the ratio to ours.

    bench/rivals/setup_rivals.sh DIR
    build/bench/spmm_bench --graph rmat --scale 20 --export FOLDER --cols 1 --repeats 1
    bench/rivals/sampling_rivals.py --bench build/bench/sampling_bench --envs DIR --folder FOLDER

What is counted, for all the same: the vertices of the sampled subgraphs as the trainer gets them, over the seconds from
asking for a batch to having it, steadily; features are not sliced. Ours is the whole build of one rank's batch (drawing
the vertices, cutting and rescaling the tile). PyG's neighbour sampler is that of torch-sparse.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

from spmm_rivals import Worker, environment


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bench", default="build/bench/sampling_bench")
    p.add_argument("--envs", default=os.environ.get("OPX_RIVALS", "rivals"), help="folder made by setup_rivals.sh")
    p.add_argument("--folder", required=True, help="holds indptr.npy and indices.npy")
    p.add_argument("--ratio", type=float, default=0.05, help="of ours and of GraphSAINT's budget")
    p.add_argument("--sampler", default="stratified,uniform", help="ours, comma-separated")
    p.add_argument("--workers", type=int, default=2, help="processes of a rival's loader, threads of ours")
    p.add_argument("--turns", type=int, default=2)
    p.add_argument("--seconds", type=float, default=5, help="of a rival's turn")
    p.add_argument("--repeats", type=int, default=20, help="batches of ours in a turn")
    p.add_argument("--json", action="store_true")
    return p.parse_args()


def ours(args, threads):
    """Name -> (vertices per second, edges per second) by sampler; a turn."""
    done = subprocess.run([args.bench, "--load", args.folder, "--ratio", str(args.ratio), "--sampler", args.sampler,
                           "--columns", "0", "--threads", str(threads), "--repeats", str(args.repeats), "--json"],
                          check=True, stdout=subprocess.PIPE, text=True)
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    plural = "s" if threads > 1 else ""
    return {f"orthoplex {r['sampler']}, {threads} thread{plural}":
            (r["vertices"] / r["build_seconds"], r["entries_kept"] / r["build_seconds"]) for r in rows}


def rival(worker, args, kind):
    worker.process.stdin.write(f"{kind} {args.seconds}\n")
    worker.process.stdin.flush()
    r = worker.read()
    return r["vertices"] / r["seconds"], r["edges"] / r["seconds"]


def measure(args):
    here = os.path.dirname(os.path.abspath(__file__))
    python = os.path.join(args.envs, "torch-env", "bin", "python")
    worker = Worker([python, os.path.join(here, "sampling_worker.py"), args.folder, "--workers", str(args.workers),
                     "--ratio", str(args.ratio)], environment(args.workers))
    worker.read()
    rates = {}
    for _ in range(args.turns):
        turn = {}
        for threads in sorted({1, args.workers}, reverse=True):
            turn |= ours(args, threads)
        turn[f"PyG NeighborLoader 15,10,5, {args.workers} workers"] = rival(worker, args, "neighbor")
        turn[f"PyG GraphSAINTNodeSampler, {args.workers} workers"] = rival(worker, args, "saint")
        for name, rate in turn.items():
            rates.setdefault(name, []).append(rate)
            print(f"{name}: {rate[0] / 1e6:.3f} M vertices/s", file=sys.stderr)
    worker.close()
    return rates


def main():
    args = arguments()
    rates = measure(args)
    if args.json:
        print(json.dumps(rates))
        return
    base = statistics.median(v for v, _ in next(iter(rates.values())))
    print(f"{args.folder}, ratio {args.ratio}, {args.turns} turns")
    print(f"{'':<50}{'M vertices/s':>14}{'M edges/s':>12}{'ours over it':>14}")
    for name, turns in rates.items():
        vertices = statistics.median(v for v, _ in turns)
        edges = statistics.median(e for _, e in turns)
        print(f"{name:<50}{vertices / 1e6:>14.3f}{edges / 1e6:>12.1f}{base / vertices:>14.1f}")


if __name__ == "__main__":
    main()
