#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""From files to predictions: generate or prepare, info, train, eval, predict."""
import csv
import json
import os
import pathlib
import unittest

import support


class RoundTrip(support.Case):
    def test_generated_graph(self):
        self.generate(vertices=1500)
        info = self.good("--json", "info", "tiny.opx", "--grid", "2x1x2", "--schemes").json()
        self.assertEqual(info["vertices"], 1500)
        self.assertEqual(info["classes"], 4)
        self.assertEqual(sum(info["splits"].values()), 1500)
        self.assertGreater(info["memory"]["total"], 0)
        self.assertIn("slabs, degree deal", info["imbalance"])
        self.assertEqual({row["grid"] for row in info["schemes"]}, {"1x1x4", "1x2x2", "1x4x1", "2x1x2", "2x2x1", "4x1x1"})

        result = self.good("--json", "-q", "train", "tiny.opx", "--run-dir", "run", "--layers", 2, "--hidden", 16, "--epochs", 40,
                           "--eval-every", 10, "--target-metric", 0.3).json()
        self.assertEqual(result["epochs_done"], 40)
        accuracy = result["last"]["test"]["accuracy"]
        self.assertGreater(accuracy, 0.5)
        evaluated = self.good("--json", "eval", "run").json()
        self.assertAlmostEqual(evaluated["test"]["metrics"]["accuracy"], accuracy, places=12)

        lines = [json.loads(line) for line in (self.folder / "run/metrics.jsonl").read_text().splitlines()]
        self.assertGreaterEqual(len(lines), 40)
        self.assertEqual(result["target"]["value"], 0.3)
        reached = next(line for line in lines if line.get("valid", {}).get("accuracy", 0) >= 0.3)
        self.assertEqual(result["target"]["epoch"], reached["epoch"])
        self.assertEqual(lines[-1]["target_epoch"], reached["epoch"])
        self.assertAlmostEqual(result["target"]["seconds"], sum(line["seconds"] for line in lines[:reached["epoch"]]), places=9)
        self.assertAlmostEqual(result["train_seconds"], sum(line["seconds"] for line in lines), places=9)
        self.assertAlmostEqual(result["evaluate_seconds"], sum(line.get("evaluate_seconds", 0) for line in lines), places=9)

        self.good("predict", "run", "-o", "classes.csv")
        with open(self.folder / "classes.csv", newline="") as file:
            rows = list(csv.reader(file))
        self.assertIn(len(rows), (1500, 1501))
        for kind, flag in (("npy", "--embeddings"), ("h5", "--probabilities")):
            self.good("predict", "run", "-o", f"out.{kind}", flag)
            self.assertGreater((self.folder / f"out.{kind}").stat().st_size, 1500)
        self.fails(2, "takes a file that ends in", "predict", "run", "-o", "classes.txt")

    def test_same_run_twice_and_on_ranks(self):
        self.generate()
        losses = {}
        for name, flags in {"a": [], "b": [], "ranks": ["--ranks", 4, "--grid", "2x1x2"], "allreduce": ["--ranks", 2, "--scheme", "allreduce"]}.items():
            losses[name] = self.good("--json", "-q", "train", "tiny.opx", "--run-dir", name, "--layers", 2, "--hidden", 8, "--epochs", 15,
                                     "--input-dropout", 0, "--eval-every", 0, *flags).json()["final_loss"]
        self.assertEqual(losses["a"], losses["b"])
        self.assertAlmostEqual(losses["ranks"] / losses["a"], 1, delta=1e-4)
        self.assertAlmostEqual(losses["allreduce"] / losses["a"], 1, delta=1e-4)

    def test_prepared_ogbn_folder(self):
        support.write_ogbn(self.folder / "ring")
        report = self.good("--json", "prepare", "ring", "-o", "ring.opx", "--add-inverse-edge").json()
        self.assertEqual(report["vertices"], 40)
        self.assertEqual(report["input_edges"], 80)
        self.assertEqual(report["stored_edges"], 160)
        self.good("-q", "train", "ring.opx", "--run-dir", "run", "--layers", 2, "--hidden", 4, "--epochs", 5)
        self.good("eval", "run", "--ranks", 2)

    def test_registry_gives_metric_and_warnings(self):
        support.write_ogbn(self.folder / "minesweeper", labels=[v % 2 for v in range(40)])
        out = self.good("prepare", "minesweeper", "-o", "m.opx")
        self.assertRegex(out.err, r"warning: .*10,?000")
        out = self.good("train", "m.opx", "--run-dir", "run", "--layers", 2, "--hidden", 4, "--epochs", 2)
        self.assertRegex(out.err, r"epoch 2/2 loss [0-9.]+ valid rocauc ")

    def test_names_come_back(self):
        names = [f"v{i}" for i in range(40)]
        (self.folder / "ring.csv").write_text("".join(f"{names[v]},{names[(v + 1) % 40]}\n" for v in range(40)))
        (self.folder / "labels.csv").write_text("".join(f"{names[v]},{v % 2}\n" for v in reversed(range(40))))
        self.good("-q", "prepare", "ring.csv", "--keyed", "--labels", "labels.csv", "--split", "0.5/0.2/0.3")
        self.good("-q", "train", "ring.opx", "--run-dir", "run", "--features", "learned", "--feature-dim", 4,
                  "--hidden", 4, "--epochs", 2)
        self.good("-q", "predict", "run", "-o", "classes.csv")
        rows = (self.folder / "classes.csv").read_text().split()
        self.assertEqual([row.split(",")[0] for row in rows[1:]], names)

    def test_generated_folder_is_the_generated_graph(self):
        flags = ("generate", "partition", "--vertices", 400, "--classes", 3)
        store = self.good("--json", *flags, "-o", "direct.opx").json()
        self.good("-q", *flags, "-o", "folder", "--format", "ogbn-csv")
        self.good("-q", "prepare", "folder", "--add-inverse-edge", "-o", "read.opx")
        read = self.good("--json", "info", "read.opx").json()
        self.assertEqual(read["checksum"], store["checksum"])
        self.fails(2, "--format is 'csv'", *flags, "--format", "csv")

    def test_default_output_and_other_kinds(self):
        self.good("-q", "generate", "rmat", "--scale", 8, "--edge-factor", 4, "--feature-dim", 4, "--classes", 3)
        self.assertTrue((self.folder / "rmat.opx").exists())
        self.good("-q", "generate", "road", "--side", 20, "-o", "road.opx")
        self.assertEqual(self.good("--json", "info", "road.opx").json()["vertices"], 400)
        self.good("-q", "train", "rmat.opx", "--run-dir", "run", "--epochs", 2)

    def test_trace_and_bench(self):
        self.generate()
        self.good("-q", "train", "tiny.opx", "--run-dir", "run", "--epochs", 3, "--ranks", 2, "--trace")
        events = json.loads((self.folder / "run/trace.json").read_text())
        events = events["traceEvents"] if isinstance(events, dict) else events
        self.assertEqual({event["pid"] for event in events}, {0, 1})
        rows = self.good("--json", "bench", "collectives", "--ranks", 3, "--bytes", "4KiB", "--repeats", 2).json()
        self.assertEqual({row["collective"] for row in rows}, {"all_gather", "all_reduce", "reduce_scatter", "all_to_all", "broadcast"})
        self.assertEqual(len(self.good("--json", "-q", "bench", "epoch", "tiny.opx", "--repeats", 2).json()["runs"]), 2)
        self.good("bench", "spmm", "tiny.opx", "--cols", 16, "--repeats", 2)

    @unittest.skipUnless(os.environ.get("OPX_TEST_DATA"), "OPX_TEST_DATA is not set")
    def test_cora_csv_and_npz_give_one_store(self):
        data = pathlib.Path(os.environ["OPX_TEST_DATA"])
        sums = {self.good("--json", "-q", "prepare", data / name, "-o", f"{name}.opx", "--add-inverse-edge").json()["checksum"]
                for name in ("cora", "cora-npz")}
        self.assertEqual(len(sums), 1)


if __name__ == "__main__":
    unittest.main()
