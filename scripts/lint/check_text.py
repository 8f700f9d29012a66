#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Checks every tracked text file: SPDX header, no markers of unfinished work, no tabs or trailing blanks in sources, one
word for one thing (docs/architecture.md). Prints one line per violation and exits with 1."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE = {".hpp", ".cpp", ".cuh", ".cu", ".h", ".c", ".py", ".sh", ".cmake"}
NO_HEADER = {".md", ".json", ".txt", ".svg", ".csv", ".gz", ".npy", ".npz", ".toml", ".in", ".yaml", ".yml", ""}
MARKERS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")
# Not in the glossary -> the word to use.
GLOSSARY = {r"\bnode features?\b": "feature", r"\bminibatch\b": "mini-batch", r"\bmulti-class labels? vector\b": "label"}


def tracked():
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    return [ROOT / p for p in out.decode().split("\0") if p]


def needs_header(path, text):
    return path.suffix in CODE or path.name == "CMakeLists.txt" or text.startswith("#!")


def check(path):
    name = path.relative_to(ROOT)
    try:
        text = path.read_text()
    except (UnicodeDecodeError, FileNotFoundError):
        return
    if needs_header(path, text) and "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.split("\n")[:4]):
        yield f"{name}: no SPDX header in the first lines"
    for number, line in enumerate(text.split("\n"), 1):
        if MARKERS.search(line):
            yield f"{name}:{number}: marker of unfinished work"
        if path.suffix in CODE and (line.rstrip() != line or "\t" in line):
            yield f"{name}:{number}: tab or trailing blank"
        if path.suffix in {".hpp", ".cpp", ".cuh", ".cu"}:
            for pattern, word in GLOSSARY.items():
                if re.search(pattern, line):
                    yield f"{name}:{number}: say '{word}'"


def main():
    files = [p for p in tracked() if p.is_file() and not p.is_symlink()]
    faults = [fault for path in files for fault in check(path)]
    for fault in faults:
        print(fault)
    if not faults:
        print(f"text: {len(files)} files are clean")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
