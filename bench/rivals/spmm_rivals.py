#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""SpMM of Orthoplex, PyTorch and DGL on the same graph, turn by turn in one run.

Each library lives in its own process and multiplies when told to, so that whatever else the machine does disturbs all
of them alike. Results are compared by a checksum before any time is believed. Prints a table (or JSON) of medians and
of the ratio to ours.

    bench/rivals/setup_rivals.sh DIR
    bench/rivals/spmm_rivals.py --bench build/bench/spmm_bench --envs DIR --graph rmat --scale 20
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile


class Worker:
    def __init__(self, command, env):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args[0]} ended with code {self.process.wait()}")
        return json.loads(line)

    def ask(self, cols, kind):
        self.process.stdin.write(f"{cols} {kind}\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--bench", default="build/bench/spmm_bench")
    p.add_argument("--envs", default=os.environ.get("OPX_RIVALS", "rivals"), help="folder made by setup_rivals.sh")
    p.add_argument("--graph", default="rmat", help="rmat, power-law, lattice, lattice-shuffled")
    p.add_argument("--scale", type=int, default=16)
    p.add_argument("--side", type=int, default=1000)
    p.add_argument("--load", help="folder with an exported graph instead")
    p.add_argument("--cols", default="128")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--without", default="", help="comma-separated: torch, dgl")
    p.add_argument("--json", action="store_true")
    return p.parse_args()


def environment(threads):
    cuda = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), CUDA_VISIBLE_DEVICES="")
    env["LD_LIBRARY_PATH"] = f"{cuda}/lib64:" + env.get("LD_LIBRARY_PATH", "")
    return env


def start_workers(args, folder):
    """Name of every competitor -> (its worker, what to ask it for)."""
    env = environment(args.threads)
    here = os.path.dirname(os.path.abspath(__file__))
    ours = Worker([args.bench, "--load", folder, "--threads", str(args.threads), "--serve"], env)
    print(f"ours: {ours.read()['target']}", file=sys.stderr)
    # f32-tight: rows end to end, as the rivals have them; f32 as the product has them, padded where that helps.
    competitors = {"orthoplex f32": (ours, "f32"), "orthoplex tight": (ours, "f32-tight"),
                   "orthoplex bf16": (ours, "bf16")}
    for library, kinds in (("torch", ("torch-int32", "torch-int64")), ("dgl", ("dgl",))):
        if library in args.without.split(","):
            continue
        python = os.path.join(args.envs, f"{library}-env", "bin", "python")
        worker = Worker([python, os.path.join(here, "spmm_worker.py"), library, folder, str(args.threads)], env)
        print(f"{library}: torch {worker.read()['torch']}", file=sys.stderr)
        competitors.update({kind: (worker, kind) for kind in kinds})
    return competitors


def compare(competitors, cols, repeats):
    seconds = {name: [] for name in competitors}
    sums = {}
    for turn in range(repeats + 1):  # the first one warms up
        for name, (worker, kind) in competitors.items():
            answer = worker.ask(cols, kind)
            sums[name] = answer["checksum"]
            if turn > 0:
                seconds[name].append(answer["seconds"])
    expected = sums["orthoplex f32"]
    for name, value in sums.items():
        tolerance = 0.02 if "bf16" in name else 1e-4
        if abs(value - expected) > tolerance * max(1.0, abs(expected)):
            raise SystemExit(f"{name} computed another product: checksum {value}, ours {expected}")
    return seconds


def report(args, cols, seconds):
    ours = statistics.median(seconds["orthoplex f32"])
    rows = []
    for name, samples in seconds.items():
        samples = sorted(samples)
        median = statistics.median(samples)
        rows.append({"name": name, "cols": cols, "median": median, "min": samples[0], "max": samples[-1],
                     "ratio": median / ours, "ratio_of_minima": samples[0] / min(seconds["orthoplex f32"])})
    if args.json:
        print(json.dumps(rows))
        return
    print(f"{cols} columns, {args.threads} threads, {args.repeats} turns")
    print(f"{'':<16}{'median s':>10}{'min':>10}{'max':>10}{'x ours':>8}{'(minima)':>10}")
    for r in rows:
        print(f"{r['name']:<16}{r['median']:>10.4f}{r['min']:>10.4f}{r['max']:>10.4f}{r['ratio']:>8.2f}"
              f"{r['ratio_of_minima']:>10.2f}")
    rivals = {r["name"]: r for r in rows if not r["name"].startswith("orthoplex")}
    if rivals:
        best = min(rivals.values(), key=lambda r: r["median"])
        print(f"best rival: {best['name']}, {best['ratio']:.2f} times our time")


def main():
    args = arguments()
    with tempfile.TemporaryDirectory(prefix="opx-spmm-") as scratch:
        folder = args.load or scratch
        if not args.load:
            subprocess.run([args.bench, "--graph", args.graph, "--scale", str(args.scale), "--side", str(args.side),
                            "--export", scratch, "--cols", "1", "--repeats", "1"], check=True, stdout=sys.stderr)
        competitors = start_workers(args, folder)
        for cols in (int(c) for c in args.cols.split(",")):
            report(args, cols, compare(competitors, cols, args.repeats))
        for worker in {id(w): w for w, _ in competitors.values()}.values():
            worker.close()


if __name__ == "__main__":
    main()
