#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Ranks: grids that do not fit, MPI as threads, a rank that is killed in mid-epoch."""
import os
import pathlib
import signal
import time
import unittest

import support


class Grids(support.Case):
    def test_grid_that_does_not_fit(self):
        self.generate()
        self.fails(2, "grid 2x2x2 takes 8 ranks.*there are 4.*1x1x4", "train", "tiny.opx", "--ranks", 4, "--grid", "2x2x2", "--run-dir", "run")
        self.fails(2, "data axis", "train", "tiny.opx", "--ranks", 2, "--grid", "1x1x1x2", "--run-dir", "run")
        self.fails(2, "'2x2'", "train", "tiny.opx", "--ranks", 4, "--grid", "2x2", "--run-dir", "run")
        self.assertFalse((self.folder / "run/metrics.jsonl").exists())

    def test_more_ranks_than_vertices(self):
        self.generate(vertices=20)
        self.good("-q", "train", "tiny.opx", "--ranks", 32, "--threads", 1, "--run-dir", "run", "--epochs", 1)


def children_of(pid):
    """Process ids of the orthoplex processes below a launcher."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = path.read_text().rsplit(")", 1)
        except OSError:
            continue
        if int(rest.split()[1]) == pid and pathlib.Path(support.BINARY).name[:15] in name:
            found.append(int(path.parent.name))
    return found


@unittest.skipUnless(support.MPIRUN, "this build has no MPI")
class Mpi(support.Case):
    def test_equals_threads(self):
        self.generate()
        flags = ["--json", "-q", "train", "tiny.opx", "--layers", 2, "--hidden", 8, "--epochs", 8, "--eval-every", 0, "--grid", "2x1x2", "--threads", 1]
        threads = self.good(*flags, "--ranks", 4, "--run-dir", "threads").json()
        mpi = self.good(*flags, "--run-dir", "mpi", mpi=4).json()
        self.assertEqual(threads["final_loss"], mpi["final_loss"])
        self.good("eval", "mpi", mpi=2)

    def test_errors_come_once(self):
        self.generate()
        self.fails(2, "grid 2x2x2 takes 8 ranks", "train", "tiny.opx", "--grid", "2x2x2", "--run-dir", "run", mpi=2)
        self.fails(2, "unknown option '--hiden'", "train", "tiny.opx", "--hiden", 2, mpi=2)
        self.fails(3, "missing.opx", "train", "missing.opx", "--run-dir", "run", mpi=2)
        self.fails(2, "--ranks is 3, but the launcher started 2", "train", "tiny.opx", "--ranks", 3, mpi=2)

    def test_killed_rank(self):
        self.generate(vertices=4000)
        process = support.start("train", "tiny.opx", "--run-dir", "run", "--epochs", 1000000, "--checkpoint-every", 5, "--eval-every", 0,
                                "--threads", 1, "--timeout", 20, cwd=self.folder, mpi=2)
        self.addCleanup(support.end, process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(list((self.folder / "run").rglob("DONE"))) == 0:
            time.sleep(0.1)
        ranks = children_of(process.pid)
        self.assertEqual(len(ranks), 2, f"launcher {process.pid}")
        os.kill(max(ranks), signal.SIGKILL)
        outcome = support.finish(process, 60)
        self.assertNotEqual(outcome.code, 0)
        self.good("eval", "run")


class Threads(support.Case):
    def test_killed_process_keeps_the_checkpoint(self):
        self.generate(vertices=4000)
        process = support.start("train", "tiny.opx", "--run-dir", "run", "--epochs", 1000000, "--checkpoint-every", 5, "--eval-every", 0,
                                "--ranks", 2, "--threads", 1, cwd=self.folder)
        self.addCleanup(support.end, process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(list((self.folder / "run").rglob("DONE"))) == 0:
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        self.assertEqual(support.finish(process, 30).code, -signal.SIGKILL)
        self.good("eval", "run")


if __name__ == "__main__":
    unittest.main()
