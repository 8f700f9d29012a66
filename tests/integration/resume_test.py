#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Resume: after kill -9 in mid-epoch and after Ctrl-C, the run ends bit-identical to one that was not stopped."""
import json
import shutil
import signal
import time
import unittest

import support

FLAGS = ["--layers", 3, "--hidden", 16, "--epochs", 60, "--eval-every", 20, "--checkpoint-every", 5, "--ranks", 2, "--threads", 1, "--dropout", 0.5,
         "--schedule", "cosine"]


def finished(run):
    """The checkpoints that carry their own name; one being written has a DONE too, under a temporary name."""
    return list(run.glob("checkpoints/epoch-*/DONE"))


class Resume(support.Case):
    def whole_run(self):
        self.generate(vertices=3000)
        return self.good("--json", "-q", "train", "tiny.opx", "--run-dir", "whole", *FLAGS).json()

    def losses(self, run):
        """The last loss recorded of every epoch."""
        found = {}
        for line in (self.folder / run / "metrics.jsonl").read_text().splitlines():
            record = json.loads(line)
            if "loss" in record and "epoch" in record:
                found[record["epoch"]] = record["loss"]
        return found

    def stop_after_some_epochs(self, run, how):
        process = support.start("-q", "train", "tiny.opx", "--run-dir", run, *FLAGS, cwd=self.folder)
        self.addCleanup(support.end, process)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None and not finished(self.folder / run):
            time.sleep(0.002)
        process.send_signal(how)
        return support.finish(process)

    def check_resumed(self, whole, run):
        resumed = self.good("--json", "-q", "train", "--resume", run).json()
        self.assertEqual(resumed["final_loss"], whole["final_loss"])
        self.assertEqual(resumed["last"], whole["last"])
        self.assertEqual(self.losses(run), self.losses("whole"))

    def test_kill_9(self):
        whole = self.whole_run()
        outcome = self.stop_after_some_epochs("killed", signal.SIGKILL)
        if outcome.code == 0:
            self.skipTest("the run was over before it could be killed")
        self.check_resumed(whole, "killed")

    def test_interrupt_writes_a_checkpoint(self):
        whole = self.whole_run()
        outcome = self.stop_after_some_epochs("stopped", signal.SIGINT)
        if outcome.code == 0:
            self.skipTest("the run was over before it could be stopped")
        self.check_failure(outcome, 1, "stopped after epoch.*--resume")
        self.check_resumed(whole, "stopped")


    def test_signals_leave_the_computation_alone(self):
        # With this input most signals arrive inside a GEMM, which a handler on the computing thread would damage.
        self.generate(vertices=3000, feature_dim=1000)
        for attempt in range(6):
            process = support.start("-q", "train", "tiny.opx", "--run-dir", f"run{attempt}", "--layers", 2, "--hidden", 16, "--epochs", 100000,
                                    "--eval-every", 0, "--dropout", 0, "--threads", 1, cwd=self.folder)
            self.addCleanup(support.end, process)
            metrics = self.folder / f"run{attempt}" / "metrics.jsonl"
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and process.poll() is None and not (metrics.exists() and metrics.stat().st_size > 0):
                time.sleep(0.002)
            time.sleep(0.017 * attempt)
            process.send_signal(signal.SIGTERM)
            self.check_failure(support.finish(process), 1, "stopped after epoch.*--resume")

    def test_other_ranks(self):
        self.whole_run()
        resumed = self.good("--json", "-q", "train", "--resume", "whole", "--ranks", 1, "--epochs", 62).json()
        self.assertEqual(resumed["epochs_done"], 62)
        self.assertIn('grid = "1x1x1"', (self.folder / "whole/config.toml").read_text())

    def test_checkpoint_outside_its_run(self):
        self.whole_run()
        shutil.move(self.folder / "whole/checkpoints/epoch-000060", self.folder / "kept")
        moved = self.good("--json", "-q", "eval", "kept", "--ranks", 2).json()
        shutil.move(self.folder / "kept", self.folder / "whole/checkpoints/epoch-000060")
        self.assertEqual(moved, self.good("--json", "-q", "eval", "whole", "--ranks", 2).json())
        self.fails(2, "unknown option '--scheme'", "eval", "whole", "--scheme", "allreduce")

    def test_interrupt_ends_other_commands(self):
        process = support.start("generate", "rmat", "-o", "large.opx", "--scale", 24, cwd=self.folder)
        self.addCleanup(support.end, process)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=20), -signal.SIGINT)


if __name__ == "__main__":
    unittest.main()
