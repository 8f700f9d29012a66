#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Training seconds until a validation accuracy: `orthoplex train --mode mini`, PyG's NeighborLoader and DGL's
NeighborSampler on the same GraphSAGE (mean), turn by turn in one run. Prints a table (or JSON).

    bench/planted200k.sh build/bin/orthoplex DIR csv
    RIVALS/dgl-env/bin/python bench/rivals/mini_graph.py DIR/planted200k DIR/planted200k.npz
    bench/rivals/mini_time_to_accuracy.py --orthoplex build/bin/orthoplex --envs RIVALS --folder DIR

The same rule for all: evaluation on the full graph after every epoch, training ends at the first epoch whose validation
accuracy is at least --target, what counts is the seconds of the epochs until then, sampling and waiting for it
included, evaluation and reading not. An epoch of the rivals is one pass over the training vertices, one of ours one pass
over what its sampler deals out; so epochs do not compare, seconds do.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

# Every side with the learning rate, dropout and batch that got it there soonest (docs/sampling.md).
OURS = "--sampler stratified --estimator unbiased --batch-ratio 0.25 --lr 0.06 --dropout 0.3"


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--orthoplex", default="build/bin/orthoplex")
    p.add_argument("--envs", default=os.environ.get("OPX_RIVALS", "rivals"), help="folder made by setup_rivals.sh")
    p.add_argument("--folder", required=True, help="holds planted200k.opx and planted200k.npz")
    p.add_argument("--target", type=float, default=0.85)
    p.add_argument("--turns", type=int, default=1)
    p.add_argument("--seed", type=int, default=0, help="of the first turn; the next has the next")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--hidden", type=int, default=64)
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--dropout", type=float, default=0.2)
    p.add_argument("--epochs", type=int, default=20, help="of ours, at most")
    p.add_argument("--ours", default=OURS, help="further flags of orthoplex train; they win over the common ones")
    p.add_argument("--pyg", default="--fanouts 15,10 --batch 1024 --workers 2 --lr 0.06", help="further flags of mini_worker.py")
    p.add_argument("--dgl", default="--fanouts 15,10 --batch 1024 --workers 0 --lr 0.06")
    p.add_argument("--most-seconds", type=float, default=60, help="of training, at most, for each rival")
    p.add_argument("--without", default="", help="comma-separated: pyg, dgl")
    p.add_argument("--json", action="store_true")
    return p.parse_args()


def environment(threads):
    cuda = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), CUDA_VISIBLE_DEVICES="")
    env["LD_LIBRARY_PATH"] = f"{cuda}/lib64:" + env.get("LD_LIBRARY_PATH", "")
    return env


def first_reached(journal, target):
    """Seconds of the epochs up to the first that reached the target (of all where none did), from metrics.jsonl."""
    seconds, curve = 0.0, []
    with open(journal) as lines:
        for line in map(json.loads, lines):
            seconds += line["seconds"]
            if "valid" not in line:
                continue
            valid, test = line["valid"]["accuracy"], line["test"]["accuracy"]
            curve.append([round(seconds, 3), round(valid, 4), round(test, 4)])
            if valid >= target:
                break
    return dict(reached=valid >= target, epochs=line["epoch"], seconds=seconds, valid=valid, test=test, curve=curve)


def ours(args, turn):
    with tempfile.TemporaryDirectory(prefix="opx-mini-") as scratch:
        run = os.path.join(scratch, "run")
        own = args.ours.split()
        common = {"--hidden": args.hidden, "--lr": args.lr, "--dropout": args.dropout, "--epochs": args.epochs}
        flags = [part for flag, value in common.items() if flag not in own for part in (flag, str(value))]
        subprocess.run([args.orthoplex, "-q", "train", os.path.join(args.folder, "planted200k.opx"), "--mode", "mini",
                        "--model", "sage", "--layers", "2", "--eval-every", "1", "--seed", str(turn), "--threads",
                        str(args.threads), "--run-dir", run, *flags, *own], check=True, stdout=subprocess.DEVNULL)
        return dict(library="orthoplex " + args.ours, **first_reached(os.path.join(run, "metrics.jsonl"), args.target))


def rival(args, name, turn):
    here = os.path.dirname(os.path.abspath(__file__))
    python = os.path.join(args.envs, "torch-env" if name == "pyg" else "dgl-env", "bin", "python")
    command = [python, os.path.join(here, "mini_worker.py"), name, os.path.join(args.folder, "planted200k.npz"),
               "--target", str(args.target), "--hidden", str(args.hidden), "--lr", str(args.lr), "--dropout",
               str(args.dropout), "--threads", str(args.threads), "--seed", str(turn), "--most-seconds",
               str(args.most_seconds), *getattr(args, name).split()]
    done = subprocess.run(command, env=environment(args.threads), check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    result["library"] += " " + getattr(args, name)
    return result


def table(args, results):
    print(f"validation accuracy {args.target}, GraphSAGE (mean), 2 layers of {args.hidden}, lr {args.lr}, "
          f"{args.threads} threads, {args.turns} turns")
    print(f"{'':<78}{'seconds':>9}{'x ours':>8}{'epochs':>8}{'valid':>8}{'test':>8}")
    base = None
    for runs in results.values():
        seconds = statistics.median(r["seconds"] for r in runs)
        base = base or seconds
        last = runs[-1]
        missed = "" if all(r["reached"] for r in runs) else "  not reached: time until it was given up"
        print(f"{last['library']:<78}{seconds:>9.2f}{seconds / base:>8.2f}{last['epochs']:>8}{last['valid']:>8.4f}"
              f"{last['test']:>8.4f}{missed}")


def main():
    args = arguments()
    names = [n for n in ("pyg", "dgl") if n not in args.without.split(",")]
    results = {name: [] for name in ("ours", *names)}
    for turn in range(args.seed, args.seed + args.turns):
        for name in results:
            results[name].append(ours(args, turn) if name == "ours" else rival(args, name, turn))
            print(f"seed {turn}: {name} {results[name][-1]['seconds']:.2f} s", file=sys.stderr)
    if args.json:
        print(json.dumps(results))
    else:
        table(args, results)


if __name__ == "__main__":
    main()
