#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""What ptxas says about every kernel of a build configured with -DOPX_CUDA_RESOURCE_USAGE=ON: a table of registers, shared
memory, stack and spills. Exits with 1 where a kernel of ours has a stack frame or spills, or where there are no kernels.

usage: check_ptxas.py BUILD_FOLDER
"""
import pathlib
import re
import shutil
import subprocess
import sys

ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(\S+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")
SHARED = re.compile(r"(\d+) bytes smem")


def kernels(text):
    """(mangled name, architecture, registers, shared bytes, stack bytes, spilled bytes) of every kernel in a log."""
    name, stack, spills = None, 0, 0
    for line in text.split("\n"):
        if match := ENTRY.search(line):
            name, stack, spills = match.groups(), 0, 0
        elif (match := STACK.search(line)) and name:
            stack, spills = int(match[1]), max(int(match[2]), int(match[3]))
        elif (match := USED.search(line)) and name:
            shared = SHARED.search(line)
            yield (*name, int(match[1]), int(shared[1]) if shared else 0, stack, spills)
            name = None


def plain(names):
    """Demangled where c++filt is there; run<Kernel>(...) becomes the kernel."""
    if names and shutil.which("c++filt"):
        out = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
        names = out.rstrip("\n").split("\n")
    return [short(name) for name in names]


def short(name):
    name = re.sub(r"\(anonymous namespace\)::", "", name)
    start = name.find("gpu::cuda::run<")
    if start < 0:
        return name
    depth, at = 1, start + len("gpu::cuda::run<")
    begin = at
    while depth and at < len(name):
        depth += {"<": 1, ">": -1}.get(name[at], 0)
        at += 1
    return name[begin:at - 1].removeprefix("opx::")


def main():
    if len(sys.argv) != 2:
        print(__doc__.strip().split("\n")[-1], file=sys.stderr)
        return 2
    rows = set()
    for log in sorted(pathlib.Path(sys.argv[1]).rglob("*.ptxas")):
        rows.update(kernels(log.read_text()))
    if not rows:
        print(f"ptxas: no kernels under {sys.argv[1]}; configure with -DOPX_CUDA_RESOURCE_USAGE=ON and build")
        return 1
    rows = sorted(rows)
    faults = 0
    print(f"{'regs':>5} {'shared':>7} {'stack':>6} {'spills':>7}  arch   kernel")
    for name, (mangled, arch, registers, shared, stack, spills) in sorted(zip(plain([r[0] for r in rows]), rows)):
        bad = "opx" in mangled and (stack > 0 or spills > 0)
        faults += bad
        print(f"{registers:5} {shared:7} {stack:6} {spills:7}  {arch:6} {name}{'   <- stack or spills' if bad else ''}")
    print(f"ptxas: {len(rows)} kernels, {faults} with a stack frame or spills")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
