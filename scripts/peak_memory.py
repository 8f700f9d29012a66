#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a command and prints its wall time and peak resident memory: peak_memory.py COMMAND [ARGUMENTS]"""
import resource
import subprocess
import sys
import time


def main():
    start = time.time()
    code = subprocess.run(sys.argv[1:], check=False).returncode
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"wall {time.time() - start:.1f} s, peak resident {peak:.2f} GiB, exit code {code}")
    return code


if __name__ == "__main__":
    sys.exit(main())
