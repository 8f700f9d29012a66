#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""The layer check finds what it is for: run on small made-up trees."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lint" / "check_layers.py"


def run_on(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        files = {"src/base/CMakeLists.txt": "opx_add_module(base SOURCES a.cpp)", "scripts/lint/check_layers.py": CHECK.read_text(), **files}
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, root / "scripts/lint/check_layers.py"], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


class Layers(unittest.TestCase):
    def test_clean_tree_passes(self):
        self.assertEqual(run_on({"src/base/a.hpp": "#pragma once\n"})[0], 0)

    def test_upward_include(self):
        code, out = run_on({"src/base/a.hpp": '#pragma once\n#include "graph/store.hpp"\n'})
        self.assertEqual(code, 1)
        self.assertIn("module base may not include graph", out)

    def test_sampling_never_communicates(self):
        for target in ("comm", "parallel"):
            code, out = run_on({"src/sampling/a.cpp": f'#include "{target}/x.hpp"\n'})
            self.assertEqual(code, 1)
            self.assertIn(f"module sampling may not include {target}", out)

    def test_depends_must_reach_what_is_included(self):
        code, out = run_on({"src/io/a.cpp": '#include "base/x.hpp"\n', "src/io/CMakeLists.txt": "opx_add_module(io SOURCES a.cpp)"})
        self.assertEqual(code, 1)
        self.assertIn("DEPENDS does not reach", out)

    def test_depends_against_the_table(self):
        self.assertIn("io may not depend on graph", run_on({"src/io/CMakeLists.txt": "opx_add_module(io SOURCES a.cpp DEPENDS base graph)"})[1])

    def test_vendor_header_outside_its_backend(self):
        self.assertIn("includes <mpi.h>", run_on({"src/train/a.cpp": "#include <mpi.h>\n"})[1])
        self.assertEqual(run_on({"src/comm/mpi/a.cpp": "#include <mpi.h>\n"})[0], 0)

    def test_library_that_prints(self):
        self.assertIn("prints or exits", run_on({"src/base/a.cpp": "void f() { std::printf(\"x\"); }\n"})[1])
        self.assertEqual(run_on({"src/base/a.cpp": "// std::printf(\"x\")\nint g() { return snprintf(0, 0, \"exit(\"); }\n"})[0], 0)

    def test_unknown_module_and_missing_guard(self):
        self.assertIn("not in the table", run_on({"src/utils/a.cpp": ""})[1])
        self.assertIn("no #pragma once", run_on({"src/base/a.hpp": ""})[1])


if __name__ == "__main__":
    unittest.main()
