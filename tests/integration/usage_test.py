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
        self.fails(2, "batch_ratio is 1.5.*above 0 and up to 1", "train", "x.opx", "--mode", "mini", "--batch-ratio", "1.5")
        self.fails(2, "cuda.*no GPU backend", "train", "x.opx", "--device", "cuda")
        self.fails(2, "3 widths.*1 or 2", "train", "x.opx", "--hidden", "8,8,8")
        self.fails(2, "no dataset", "train")
        self.fails(2, "memory.*'much'", "prepare", ".", "-o", "x.opx", "--memory", "much")
        self.fails(2, "'.*zigzag", "generate", "road", "-o", "x.opx", "--deal", "zigzag")

    def test_options_without_effect_are_refused(self):
        train = ("train", "x.opx")
        self.fails(2, "--self-loops true has no effect: only model gcn", *train, "--model", "sage", "--self-loops")
        self.fails(2, "--self-loops true has no effect", *train, "--model", "gin", "--self-loops")
        self.fails(2, "--feature-dim 128 has no effect", *train, "--feature-dim", 128)
        self.fails(2, "--step-every 100 has no effect: it is for schedule step", *train, "--step-every", 100)
        self.fails(2, "--step-factor 0.5 has no effect", *train, "--schedule", "cosine", "--step-factor", 0.5)
        self.fails(2, "--beta1 0.8 has no effect", *train, "--optimizer", "sgd", "--beta1", 0.8)
        self.fails(2, "--hidden 8 has no effect", *train, "--layers", 1, "--hidden", 8)
        (self.folder / "run.toml").write_text("[optimizer]\nstep_every = 100\n")
        self.fails(2, r"run\.toml:2: optimizer.step_every 100 has no effect", *train, "--config", "run.toml")
        self.fails(2, "--feature-dim", "bench", "epoch", "x.opx", "--feature-dim", 16)
        self.fails(2, "unknown option '--first-aggregation'", "bench", "epoch", "x.opx", "--first-aggregation", "cached")
        road = ("generate", "road", "--side", 20, "-o", "road")
        self.fails(2, "--deal has no effect.*ogbn-csv", *road, "--format", "ogbn-csv", "--deal", "random")
        self.fails(2, "--feature-type has no effect", *road, "--feature-type", "bf16")
        self.fails(2, "--split-seed has no effect", *road, "--split-seed", 3)
        self.fails(2, "--placement-seed has no effect", *road, "--deal", "contiguous", "--placement-seed", 3)
        self.good(*road, "--deal", "contiguous", "--order", "random", "--placement-seed", 3)

    def test_options_of_prepare_without_effect_are_refused(self):
        support.write_ogbn(self.folder / "ring")
        prepare = ("prepare", "ring", "-o", "ring.opx")
        self.fails(2, "directed has no effect.*ogbn-csv", *prepare, "--directed")
        self.fails(2, r"number of vertices \(40\) has no effect", *prepare, "--vertices", 40)
        self.fails(2, "--split draws the split", *prepare, "--split", "0.6/0.2/0.2", "--split-name", "random")
        (self.folder / "edges.txt").write_text("0 1\n1 2\n")
        self.fails(2, "keyed has no effect", "prepare", "edges.txt", "--keyed")
        self.fails(2, "split name 'a' has no effect", "prepare", "edges.txt", "--split-name", "a")
        self.fails(2, r"number of classes \(3\) has no effect", "prepare", "edges.txt", "--classes", 3)
        self.good(*prepare, "--split-name", "random")

    def test_configuration_of_a_checkpoint_is_not_changed(self):
        self.generate()
        self.good("-q", "train", "tiny.opx", "--run-dir", "run", "--layers", 2, "--hidden", 4, "--epochs", 2, "--model", "sage")
        (self.folder / "run.toml").write_text("ranks = 2\n[model]\nhidden = 6\n")
        for command in (("eval", "run"), ("predict", "run", "-o", "p.csv")):
            self.fails(2, rf"run\.toml:3: model.hidden is no option of '{command[0]}'", *command, "--config", "run.toml")
        (self.folder / "run.toml").write_text("ranks = 2\ngrid = '1x2x1'\ndataset = 'missing.opx'\n")
        self.fails(3, "missing.opx", "eval", "run", "--config", "run.toml")
        self.good("eval", "run", "--config", "run.toml", "--dataset", "tiny.opx")
        # what a run resolved may be given again, also where it resumes with another schedule
        self.good("-q", "train", "--config", "run/config.toml", "--run-dir", "again", "--schedule", "step", "--step-every", 5)
        self.good("-q", "train", "--resume", "again", "--schedule", "constant", "--epochs", 3)
        self.assertNotIn("step_every", (self.folder / "again/config.toml").read_text())
        (self.folder / "more.toml").write_text("resume = 'again'\nepochs = 4\n")
        self.good("-q", "train", "--config", "more.toml")
        self.assertEqual(len((self.folder / "again/metrics.jsonl").read_text().splitlines()), 4)

    def test_a_run_goes_on_with_its_own_model(self):
        self.generate()
        self.good("-q", "train", "tiny.opx", "--run-dir", "run", "--layers", 2, "--hidden", 4, "--epochs", 2)
        resume = ("-q", "train", "--resume", "run", "--epochs", 3)
        self.fails(2, r"layers \(hidden widths\): 2 \(4\), this run has 2 \(6\)", *resume, "--hidden", 6)
        self.fails(2, "with norm none, this run has layer", *resume, "--norm", "layer")
        self.fails(2, r"features given \(norm none\), this run has given \(norm row\)", *resume, "--feature-norm", "row")
        self.fails(2, "self loops true, this run has false", *resume, "--no-self-loops")
        self.assertIn("epochs = 2", (self.folder / "run/config.toml").read_text())
        self.good(*resume, "--lr", 0.001)

    def test_mini_batches_that_cannot_be(self):
        self.generate()
        vertices = self.good("--json", "info", "tiny.opx").json()["vertices"]
        mini = ("-q", "train", "tiny.opx", "--mode", "mini", "--epochs", 1, "--hidden", 4, "--run-dir", "run")
        self.fails(2, rf"a batch of {vertices + 1} vertices; the graph has {vertices}", *mini, "--batch-size", vertices + 1)
        self.fails(2, "least ratio", *mini, "--batch-ratio", "1e-5")
        self.fails(2, r"1x1x2x2 takes 4 ranks, but there are 2", *mini, "--batch-ratio", 0.2, "--grid", "1x1x2x2", "--ranks", 2)
        self.fails(2, "no parts for sampler cluster.*--parts", *mini, "--sampler", "cluster")
        self.good(*mini, "--batch-size", vertices - 1)

    def test_a_run_from_before_an_option_goes_on_as_it_was_made(self):
        self.generate()
        self.good("-q", "train", "tiny.opx", "--run-dir", "run", "--mode", "mini", "--batch-ratio", 0.3, "--epochs", 2, "--hidden", 4,
                  "--first-aggregation", "recomputed")
        config = self.folder / "run/config.toml"
        lines = [line for line in config.read_text().splitlines() if not line.startswith("first_aggregation")]
        config.write_text("\n".join(lines) + "\n")
        self.fails(2, "first aggregation recomputed, this run has cached", "-q", "train", "--resume", "run", "--epochs", 3,
                   "--first-aggregation", "cached")
        self.good("-q", "train", "--resume", "run", "--epochs", 3)
        self.assertIn('first_aggregation = "recomputed"', config.read_text())

    def test_configuration_file(self):
        file = self.folder / "run.toml"
        file.write_text("epochs = 3\n[model]\nhiden = 4\n")
        self.fails(2, r"run\.toml:3: unknown key 'model.hiden'; did you mean 'model.hidden'", "train", "x.opx", "--config", file)
        file.write_text("epochs = 'three'\n")
        self.fails(2, r"run\.toml:1: epochs", "train", "x.opx", "--config", file)
        file.write_text("epochs = = 3\n")
        self.fails(2, r"run\.toml:1", "train", "x.opx", "--config", file)
        self.fails(3, "cannot be opened", "train", "x.opx", "--config", "missing.toml")
        self.fails(3, "is a folder, not a file", "train", "x.opx", "--config", ".")
        file.write_text("epochs = 1.5\n")
        self.fails(2, r"run\.toml:1: epochs is of type floating-point, or out of its range; it takes INT", "train", "x.opx", "--config", file)

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
