#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Checks who may include whom (docs/architecture.md): every #include and every CMake DEPENDS against the one table below.

Also: vendor headers stay in the files of their backend, headers have `#pragma once`, and only cli/main.cpp prints or exits.
Prints one line per violation and exits with 1, or says how much was checked.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The table of modules, lowest first. A module may include those named (and itself). `sampling` never communicates: that
# is why neither comm nor parallel is in its row.
MODULES = {
    "base": "",
    "io": "base",
    "device": "base",
    "tensor": "base device",
    "comm": "base device",
    "spmm": "base device tensor",
    "layout": "base device tensor spmm",
    "graph": "base io device tensor spmm layout",
    "sampling": "base device tensor spmm graph layout",
    "parallel": "base io device tensor comm spmm layout graph",
    "model": "base device tensor comm spmm layout parallel",
    "train": "base io device tensor comm spmm layout graph sampling parallel model",
    "cli": "base io device tensor comm spmm layout graph sampling parallel model train",
}
MODULES = {name: set(row.split()) for name, row in MODULES.items()}

# Vendor header -> files that may include it.
VENDORS = {
    r"mpi\.h": r"src/comm/mpi/",
    r"dnnl\.h(pp)?|oneapi/.*|cblas\.h": r"src/tensor/cpu/",
    r"hwy/.*": r"(src/(spmm|tensor)/cpu/|bench/)",
    r"hdf5\.h|H5.*public\.h": r"src/io/[^/]*hdf5|src/io/hdf5/",
    r"metis\.h": r"src/\w+/(metis/|[^/]*metis[^/]*\.cpp)",
    r"isa-l/.*|isa-l\.h|zlib\.h|zip\.h": r"(src/io/|tests/)",
    r"omp\.h": r"src/(device|tensor)/cpu/",
    r"toml\+\+/.*": r"src/train/\w+_toml\.cpp",
    r"CLI/.*": r"(src/cli|bench)/\w+\.cpp",
    r"nlohmann/json\.hpp|fast_float/.*|xxhash\.h": r".*\.cpp$",
    r"cublasLt\.h": r"src/tensor/gpu/",
    r"Random123/.*": r"tests/unit/base/",
    r"cu(da|blas|sparse)\w*\.h|cub/.*|nvtx3/.*": r"(src/\w+/gpu/|src/comm/nccl/|bench/)",
    r"nccl\.h": r"(src/comm/nccl/|tests/)",
}
PRINTS = re.compile(r"\bstd::(cout|cerr|clog)\b|(?<![\w.:>])(?:std::|fmt::)?(?:(?:printf|fprintf|puts)\s*\(|(?:exit|_exit|quick_exit)\s*\(\s*[^)\s])|\bfmt::print\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r'R"\((.*?)\)"', '""', text, flags=re.S)
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', re.sub(r"//[^\n]*", "", text))


def module_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def check_vendors(name, header):
    for pattern, where in VENDORS.items():
        if re.fullmatch(pattern, header) and not re.match(where, name):
            yield f"{name}: includes <{header}>, which belongs to {where}"


def check_source(path, used):
    name = str(path.relative_to(ROOT))
    text = path.read_text()
    module = module_of(path)
    if path.suffix in (".hpp", ".cuh") and "#pragma once" not in text and not name.endswith("-inl.hpp"):
        yield f"{name}: no #pragma once"
    for _, header in INCLUDE.findall(text):
        yield from check_vendors(name, header)
        target = header.split("/")[0]
        if "/" not in header or target not in MODULES:
            continue
        if module is None:
            if target == "cli" and not name.startswith("tests/unit/cli"):
                yield f"{name}: includes \"{header}\"; only the command line itself includes cli"
        elif target != module:
            used.setdefault(module, {}).setdefault(target, name)
            if target not in MODULES[module]:
                yield f"{name}: module {module} may not include {target} (\"{header}\")"
    if module is not None and name != "src/cli/main.cpp" and PRINTS.search(strip_comments(text)):
        yield f"{name}: prints or exits; only src/cli/main.cpp does"


def cmake_depends():
    """Module -> DEPENDS of its opx_add_module, from every src/<module>/CMakeLists.txt."""
    depends = {}
    for path in sorted((ROOT / "src").glob("*/CMakeLists.txt")):
        text = re.sub(r"#[^\n]*", "", path.read_text())
        for body in re.findall(r"opx_add_module\(([^)]*)\)", text):
            words = body.split()
            listed = []
            if "DEPENDS" in words:
                for word in words[words.index("DEPENDS") + 1:]:
                    if word in ("SOURCES", "LINK"):
                        break
                    listed.append(word)
            depends[words[0]] = listed
    return depends


def closure(module, depends):
    seen, stack = set(), list(depends.get(module, []))
    while stack:
        m = stack.pop()
        if m not in seen:
            seen.add(m)
            stack.extend(depends.get(m, []))
    return seen


def check_cmake(used):
    depends = cmake_depends()
    for module, listed in depends.items():
        if module not in MODULES:
            yield f"src/{module}: not in the table of {pathlib.Path(__file__).name}"
            continue
        for d in listed:
            if d not in MODULES[module]:
                yield f"src/{module}/CMakeLists.txt: {module} may not depend on {d}"
        for target, name in used.get(module, {}).items():
            if target in depends and target not in closure(module, depends):
                yield f"src/{module}/CMakeLists.txt: {name} includes {target}, which DEPENDS does not reach"


def check_table():
    for i, (module, allowed) in enumerate(MODULES.items()):
        above = allowed - set(list(MODULES)[:i])
        if above:
            yield f"the table is not in order: {module} includes {sorted(above)}"
    for folder in sorted(p.name for p in (ROOT / "src").iterdir() if p.is_dir()):
        if folder not in MODULES:
            yield f"src/{folder}: not in the table of modules"


def main():
    files = [p for top in ("src", "tests", "bench") for p in sorted((ROOT / top).rglob("*")) if p.suffix in (".hpp", ".cpp", ".cuh", ".cu")]
    used = {}
    faults = list(check_table())
    for path in files:
        faults.extend(check_source(path, used))
    faults.extend(check_cmake(used))
    for fault in faults:
        print(fault)
    if not faults:
        print(f"layers: {len(files)} files of {len(list((ROOT / 'src').iterdir())) - 1} modules keep the table")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
