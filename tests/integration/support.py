# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Running `orthoplex` from tests: outcomes, tiny datasets, launchers. Python's standard library only."""
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

BINARY = os.path.abspath(os.environ.get("OPX_BINARY", "build/bin/orthoplex"))
MPIRUN = os.environ.get("OPX_MPIRUN", "") or None
TIMEOUT = 120


class Outcome:
    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    @property
    def errors(self):
        return [line for line in self.err.splitlines() if line.startswith("orthoplex: error:")]

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def environment():
    """Without the variables of a launcher that may run the tests themselves."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("OMPI_", "PMIX_", "PMI_", "SLURM_"))}


def mpi_prefix(ranks):
    return [MPIRUN, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]


def start(*arguments, cwd=None, mpi=None):
    command = (mpi_prefix(mpi) if mpi else []) + [BINARY, *map(str, arguments)]
    return subprocess.Popen(command, cwd=cwd, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def finish(process, timeout=TIMEOUT):
    begin = time.monotonic()
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"still running after {timeout} s\n--- stdout\n{out}\n--- stderr\n{err}") from None
    return Outcome(process.returncode, out, err, time.monotonic() - begin)


def end(process):
    """Where a test failed before its process had ended."""
    if process.poll() is None:
        process.terminate()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdout, process.stderr):
        stream.close()


def run(*arguments, cwd=None, mpi=None, timeout=TIMEOUT):
    return finish(start(*arguments, cwd=cwd, mpi=mpi), timeout)


class Case(unittest.TestCase):
    """A test in a scratch folder."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="opx-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def good(self, *arguments, **options):
        outcome = run(*arguments, cwd=self.folder, **options)
        self.assertEqual(outcome.code, 0, f"{arguments}: {outcome}")
        return outcome

    def fails(self, code, pattern, *arguments, **options):
        """Ends with that exit code and exactly one error line, which matches."""
        outcome = run(*arguments, cwd=self.folder, **options)
        self.check_failure(outcome, code, pattern, arguments)
        return outcome

    def check_failure(self, outcome, code, pattern, arguments=()):
        self.assertEqual(outcome.code, code, f"{arguments}: {outcome}")
        self.assertEqual(len(outcome.errors), 1, f"{arguments}: {outcome}")
        self.assertRegex(outcome.errors[0], pattern, str(outcome))

    def generate(self, name="tiny.opx", vertices=600, feature_dim=8, **options):
        flags = [part for key, value in options.items() for part in ("--" + key.replace("_", "-"), value)]
        self.good("-q", "generate", "partition", "-o", name, "--vertices", vertices, "--classes", 4, "--feature-dim", feature_dim, *flags)
        return name


def write_gzip(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.write(text)


def write_ogbn(folder, vertices=40, edge_text=None, features=None, labels=None):
    """A ring with chords in OGB's csv.gz layout, with a random-looking split; returns the folder."""
    edges = [(v, (v + step) % vertices) for v in range(vertices) for step in (1, 7)]
    edge_text = edge_text if edge_text is not None else "".join(f"{a},{b}\n" for a, b in edges)
    features = features or [[(v * 7 + c * 3) % 5 - 2 for c in range(3)] for v in range(vertices)]
    labels = labels or [v % 3 for v in range(vertices)]
    write_gzip(folder / "raw/edge.csv.gz", edge_text)
    write_gzip(folder / "raw/num-node-list.csv.gz", f"{vertices}\n")
    write_gzip(folder / "raw/num-edge-list.csv.gz", f"{len(edges)}\n")
    write_gzip(folder / "raw/node-feat.csv.gz", "".join(",".join(map(str, row)) + "\n" for row in features))
    write_gzip(folder / "raw/node-label.csv.gz", "".join(f"{label}\n" for label in labels))
    for part, name in enumerate(("train", "valid", "test")):
        write_gzip(folder / f"split/random/{name}.csv.gz", "".join(f"{v}\n" for v in range(vertices) if v % 3 == part))
    return folder
