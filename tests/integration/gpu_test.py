#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""The command line with --device: what trains on the CPU trains on a GPU, with the same answers. OPX_GPU_DEVICE is the device,
cuda or gpu-host."""
import json
import os
import subprocess
import sys
import unittest

import support

DEVICE = os.environ.get("OPX_GPU_DEVICE", "cuda")
FULL = ("--layers", 3, "--hidden", 16, "--dropout", 0.3, "--epochs", 4, "--eval-every", 2)
MINI = (*FULL, "--mode", "mini", "--batch-ratio", 0.25)


class Gpu(support.Case):
    def setUp(self):
        super().setUp()
        self.generate(vertices=400)

    def train(self, name, *flags, device=DEVICE):
        """The run's result and its losses, epoch by epoch."""
        result = self.good("-q", "--json", "train", "tiny.opx", "--run-dir", name, "--threads", 1, "--device", device, *flags).json()
        records = map(json.loads, (self.folder / name / "metrics.jsonl").read_text().splitlines())
        return result, [record["loss"] for record in records if "loss" in record]

    def near(self, a, b, relative):
        self.assertEqual(len(a), len(b))
        for x, y in zip(a, b):
            self.assertLessEqual(abs(x - y), relative * abs(y), f"{a} and {b}")

    def test_full_graph(self):
        cpu, losses = self.train("cpu", *FULL, device="cpu")
        gpu, same = self.train("gpu", *FULL)
        self.near(same, losses, 1e-4)
        self.assertAlmostEqual(gpu["last"]["test"]["accuracy"], cpu["last"]["test"]["accuracy"], delta=0.03)
        self.assertEqual(self.train("again", *FULL)[1], same)
        self.near(self.train("ranks", *FULL, "--ranks", 2)[1], same, 1e-4)
        self.assertEqual(self.train("graph", *FULL, "--cuda-graph", "on")[1], same)
        self.assertEqual(self.train("host_features", *FULL, "--features-on", "host")[1], same)
        there, here = (self.good("--json", "-q", "eval", "gpu", "--device", d).json()["test"]["metrics"] for d in (DEVICE, "cpu"))
        self.assertAlmostEqual(there["accuracy"], here["accuracy"], delta=0.03)

    def test_mini_batches(self):
        _, losses = self.train("cpu", *MINI, device="cpu")
        _, same = self.train("gpu", *MINI)
        self.near(same, losses, 1e-4)
        self.assertEqual(self.train("again", *MINI)[1], same)
        self.assertEqual(self.train("host_features", *MINI, "--features-on", "host")[1], same)
        self.near(self.train("built_here", *MINI, "--build-batches", "cpu")[1], same, 1e-4)
        self.assertEqual(self.train("depth", *MINI, "--build-batches", "gpu", "--pipeline-depth", 3)[1], same)
        self.fails(2, "--device cuda", "info", "tiny.opx", "--build-batches", "cpu")
        plans = [self.good("--json", "-q", "info", "tiny.opx", "--device", DEVICE, *flags).json()["gpu"]["mini"]
                 for flags in ((), ("--build-batches", "cpu"))]
        self.assertIn("tiles that sub-batches are cut from", plans[1]["host"])
        self.assertNotIn("tiles that sub-batches are cut from", plans[0]["host"])

    def test_bench_epoch(self):
        model = ("--layers", 2, "--hidden", 8)
        runs = self.good("--json", "-q", "bench", "epoch", "tiny.opx", *model, "--repeats", 2, "--threads", 1, "--device", DEVICE).json()["runs"]
        for run in runs:
            first = run["first_aggregation"]
            _, losses = self.train(first, *model, "--epochs", 4, "--first-aggregation", first, device="cpu")
            self.assertEqual((run["device"], run["phases"]), ("gpu", {}))
            self.near([run["loss"]], losses[-1:], 1e-4)


if __name__ == "__main__":
    listed = subprocess.run([support.BINARY, "doctor", "--no-check"], capture_output=True, text=True).stdout
    if DEVICE == "cuda" and "gpu 0" not in listed:
        print("skipped: no GPU on this machine")
        sys.exit(0)
    unittest.main()
