#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a large csv.gz of random edges (u,v a line, no header), for measuring `orthoplex prepare`.

Ids of half a million lines at a time come from a counter that is scrambled, so the file is the same every time; the
powers make a few vertices much busier than the rest."""
import argparse
import gzip
import pathlib
import random


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--edges", type=int, default=100_000_000)
    parser.add_argument("--vertices", type=int, default=4_000_000)
    args = parser.parse_args()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    rng = random.Random(1)
    block = 100_000
    # A block of lines is drawn once per stretch and reused with shifted ids: writing speed is gzip's.
    with gzip.open(args.output, "wb", compresslevel=1) as file:
        for done in range(0, args.edges, block):
            if done % (50 * block) == 0:
                pairs = [(int(args.vertices * rng.random() ** 2), int(args.vertices * rng.random() ** 2)) for _ in range(block)]
            shift = rng.randrange(args.vertices)
            count = min(block, args.edges - done)
            file.write("".join(f"{u},{(v + shift) % args.vertices}\n" for u, v in pairs[:count]).encode())


if __name__ == "__main__":
    main()
