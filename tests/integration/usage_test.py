#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Help, version, unknown options and keys, values that are refused."""
import unittest

import support


class Usage(support.Case):
    def test_help_and_version(self):
        commands = ("generate", "prepare", "info", "train", "eval", "predict", "bench", "doctor")
        text = self.good("--help").out
        for command in commands:
            self.assertIn(command, text)
            self.assertIn("--help", self.good(command, "--help").out)
        self.assertRegex(self.good("--version").out, r"^orthoplex \d+\.\d+\.\d+\n$")
        train = self.good("train", "--help").out
        for heading in ("Model", "Optimiser", "Ranks and communication", "Examples:"):
            self.assertIn(heading, train)
        self.assertIn("[0.01]", train)

    def test_no_command(self):
        self.fails(2, "subcommand is required")

    def test_unknown_names_suggest_the_nearest(self):
        self.fails(2, "unknown command 'trian'; did you mean 'train'", "trian", "x.opx")
        self.fails(2, "unknown option '--hiden' of 'train'; did you mean '--hidden'", "train", "x.opx", "--hiden", 3)
        self.fails(2, "unknown option '--jsn'.*'--json'", "doctor", "--jsn")

    def test_values_are_checked(self):
        self.fails(2, "--model is 'gnc'.*did you mean 'gcn'", "train", "x.opx", "--model", "gnc")
        self.fails(2, "--dropout is 1.5.*0 to 0.999", "train", "x.opx", "--dropout", 1.5)
        self.fails(2, "--epochs is 'ten'", "train", "x.opx", "--epochs", "ten")
        self.fails(2, "batch_ratio is 0", "train", "x.opx", "--mode", "mini", "--batch-ratio", "0")
        self.fails(2, "cuda.*no GPU backend", "train", "x.opx", "--device", "cuda")
        self.fails(2, "3 widths.*1 or 2", "train", "x.opx", "--hidden", "8,8,8")
        self.fails(2, "no dataset", "train")
        self.fails(2, "memory.*'much'", "prepare", ".", "-o", "x.opx", "--memory", "much")
        self.fails(2, "'.*zigzag", "generate", "road", "-o", "x.opx", "--deal", "zigzag")

    def test_configuration_file(self):
        file = self.folder / "run.toml"
        file.write_text("epochs = 3\n[model]\nhiden = 4\n")
        self.fails(2, r"run\.toml:3: unknown key 'model.hiden'; did you mean 'model.hidden'", "train", "x.opx", "--config", file)
        file.write_text("epochs = 'three'\n")
        self.fails(2, r"run\.toml:1: epochs", "train", "x.opx", "--config", file)
        file.write_text("epochs = = 3\n")
        self.fails(2, r"run\.toml:1", "train", "x.opx", "--config", file)
        self.fails(3, "cannot be opened", "train", "x.opx", "--config", "missing.toml")

    def test_flags_win_over_the_file(self):
        self.generate()
        (self.folder / "run.toml").write_text("epochs = 50\nseed = 9\n[model]\nhidden = [6]\nlayers = 2\n")
        self.good("-q", "train", "tiny.opx", "--config", "run.toml", "--epochs", 2, "--run-dir", "run")
        resolved = (self.folder / "run/config.toml").read_text()
        self.assertIn("epochs = 2\n", resolved)
        self.assertIn("seed = 9\n", resolved)
        self.assertIn("hidden = [6]\n", resolved)

    def test_missing_dataset(self):
        self.fails(3, "missing.opx", "train", "missing.opx", "--run-dir", "run")
        self.fails(3, "missing.opx", "info", "missing.opx")

    def test_doctor(self):
        report = self.good("--json", "doctor").json()
        self.assertTrue(report["check"]["good"])
        self.assertGreater(len(report["check"]["runs"]), 3)
        self.assertIn("HDF5", report["libraries"])


if __name__ == "__main__":
    unittest.main()
