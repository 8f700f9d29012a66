#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""The table of epoch.sh: medians over its turns, every library's ratio to ours, and peak memory: of the process, or on a GPU
what was allocated there."""
import json
import statistics
import sys


def read(file):
    """Name -> ([seconds], [peak bytes])."""
    found = {}

    def add(name, seconds, peak):
        entry = found.setdefault(name, ([], []))
        entry[0].append(seconds)
        entry[1].append(peak)

    with open(file) as lines:
        for line in filter(str.strip, lines):
            turn = json.loads(line)
            if "runs" in turn:
                for run in turn["runs"]:
                    peak = run["peak_buffers"] if run.get("device") == "gpu" else turn["peak_resident"]
                    add(f"orthoplex, first aggregation {run['first_aggregation']}", run["median"], peak)
            else:
                add(turn["library"], turn["median"], turn.get("peak_gpu") or turn["peak_resident"])
    return found


def main():
    found = read(sys.argv[1])
    ours = min(statistics.median(s) for name, (s, _) in found.items() if name.startswith("orthoplex"))
    print(f"{'':<42}{'median s':>10}{'min':>10}{'x ours':>8}{'peak GiB':>10}")
    for name, (seconds, peak) in found.items():
        median = statistics.median(seconds)
        print(f"{name:<42}{median:>10.3f}{min(seconds):>10.3f}{median / ours:>8.2f}{max(peak) / 2**30:>10.2f}")


if __name__ == "__main__":
    main()
