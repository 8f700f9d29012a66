#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Bad input and bad disks: one message, the documented exit code, nothing half-written left behind."""
import gzip
import os
import shutil
import subprocess
import unittest
import zipfile

import support


class BadInput(support.Case):
    def prepare_fails(self, code, pattern, source, *flags):
        self.fails(code, pattern, "prepare", source, "-o", "out.opx", *flags)
        left = sorted(p.name for p in self.folder.iterdir() if p.name.startswith("out"))
        self.assertEqual(left, [], "a failed preparation leaves nothing behind")

    def ogbn(self, **options):
        return support.write_ogbn(self.folder / "ring", **options)

    def test_truncated_gzip(self):
        path = self.ogbn() / "raw/edge.csv.gz"
        path.write_bytes(path.read_bytes()[:-20])
        self.prepare_fails(3, r"edge\.csv\.gz", "ring")

    def test_wrong_column_count(self):
        self.ogbn(edge_text="0,1\n1,2,3\n" + "2,3\n" * 78)
        self.prepare_fails(3, r"edge\.csv\.gz.*line 2", "ring")

    def test_feature_rows_of_unequal_length(self):
        features = [[1, 2, 3]] * 39 + [[1, 2]]
        self.ogbn(features=features)
        self.prepare_fails(3, r"node-feat\.csv\.gz.*line 40", "ring")

    def test_id_out_of_range(self):
        self.ogbn(edge_text="0,1\n" * 79 + "3,40\n")
        self.prepare_fails(3, r"edge\.csv\.gz.*line 80.*40", "ring")

    def test_negative_id_and_words(self):
        self.ogbn(edge_text="0,1\n" * 79 + "3,-4\n")
        self.prepare_fails(3, r"edge\.csv\.gz.*line 80", "ring")
        self.ogbn(edge_text="0,1\n" * 79 + "3,four\n")
        self.prepare_fails(3, r"edge\.csv\.gz.*line 80", "ring")

    def test_nan_feature(self):
        features = [[1, 2, 3]] * 6 + [[1, "nan", 3]] + [[1, 2, 3]] * 33
        self.ogbn(features=features)
        self.prepare_fails(3, r"node-feat\.csv\.gz.*line 7", "ring")

    def test_label_out_of_range(self):
        self.ogbn(labels=[0] * 10 + [-3] + [1] * 29)
        self.prepare_fails(3, r"node-label\.csv\.gz.*line 11", "ring")

    def test_label_above_the_number_of_classes(self):
        self.ogbn(labels=[0] * 10 + [7] + [1] * 29)
        self.prepare_fails(3, "ring: label of vertex 10: 7 is not below the number of classes, 3", "ring", "--classes", 3)
        (self.folder / "ring").rename(self.folder / "ogbn-arxiv")
        labels = [0] * 10 + [40] + [1] * 29
        support.write_ogbn(self.folder / "ogbn-arxiv", labels=labels)
        self.prepare_fails(3, r"label of vertex 10: 40 is not below the number of classes, 40 \(registry", "ogbn-arxiv", "--split-name", "random")
        self.good("-q", "prepare", "ogbn-arxiv", "-o", "known.opx", "--split-name", "random", "--classes", 50)
        self.assertIn("50 classes", self.good("info", "known.opx").out)

    def test_datasets_that_cannot_be_trained_on(self):
        self.good("generate", "road", "--side", 20, "-o", "bare.opx")
        self.fails(3, "no labels", "train", "bare.opx", "--features", "learned")
        self.ogbn()
        self.good("prepare", "ring", "-o", "no-train.opx", "--split", "0/0.5/0.5")
        self.fails(3, "no labelled training vertices", "train", "no-train.opx")

    def test_divergence(self):
        self.generate()
        self.fails(1, "diverged", "train", "tiny.opx", "--run-dir", "run", "--optimizer", "sgd", "--lr", 1e9, "--epochs", 50)

    def test_zip_with_bad_crc(self):
        self.ogbn()
        archive = self.folder / "ring.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
            for path in sorted((self.folder / "ring").rglob("*.gz")):
                file.write(path, path.relative_to(self.folder))
        good = self.good("prepare", "ring.zip", "-o", "good.opx")
        self.assertIn("written to", good.out)
        data = bytearray(archive.read_bytes())
        with zipfile.ZipFile(archive) as file:
            member = next(m for m in file.infolist() if m.filename.endswith("edge.csv.gz"))
        data[member.header_offset + 30 + len(member.filename) + member.compress_size - 12] ^= 0x55
        archive.write_bytes(data)
        self.prepare_fails(3, "ring.zip", "ring.zip")

    def test_not_a_dataset(self):
        (self.folder / "empty").mkdir()
        self.prepare_fails(3, "empty", "empty")
        self.prepare_fails(3, "missing", "missing")
        self.ogbn()
        (self.folder / "wrap").mkdir()
        (self.folder / "ring").rename(self.folder / "wrap/ring")
        self.prepare_fails(3, "did you mean 'wrap/ring'", "wrap")

    def test_edge_lists_as_programs_write_them(self):
        def write(text, encoding="utf-8"):
            (self.folder / "x.csv").write_text(text, encoding=encoding, newline="")
            return "x.csv"

        good = write("src,dst\n0,1\n1,2\n")
        want = self.good("--json", "prepare", good, "-o", "good.opx").json()
        for text, encoding in (("src,dst\r\n0,1\r\n1,2\r\n", "utf-8"), ("0,1\n1,2", "utf-8-sig"), ("0,1,\n1,2,\n", "utf-8")):
            got = self.good("--json", "prepare", write(text, encoding), "-o", "other.opx").json()
            self.assertEqual(got["checksum"], want["checksum"], repr(text))
        self.prepare_fails(3, "x.csv: line 1: .*UTF-16", write("0,1\n1,2\n", "utf-16"))
        self.prepare_fails(3, "x.csv: line 1: .*'-1', which is no vertex id", write("-1,0\n1,2\n"))
        self.prepare_fails(3, "x.csv: line 1: .*'0.0', which is no vertex id", write("0.0,1.0\n"))
        self.prepare_fails(3, "x.csv: line 1: .*quotes", write('"0","1"\n'))
        self.prepare_fails(3, "x.csv: line 1: column 2 is empty", write("0,,1\n1,,2\n"))
        self.prepare_fails(3, "x.csv: line 1: .*must be the first two", write(",source,target\n0,5,7\n"))
        self.prepare_fails(3, r"x.csv: line 2: .*\\x00", write("0,1\n1,\0002\n"))
        self.prepare_fails(3, "x.csv' has no edges", write(""))

    def test_what_is_there_is_not_overwritten(self):
        (self.folder / "x.csv").write_text("0,1\n1,2\n")
        self.fails(2, "'x.csv' is there already and is no store", "prepare", "x.csv", "-o", "x.csv")
        self.assertEqual((self.folder / "x.csv").read_text(), "0,1\n1,2\n")
        self.prepare_fails(4, "--temporary 'nowhere' is no folder", "x.csv", "--temporary", "nowhere")

    def test_files_that_are_no_store(self):
        (self.folder / "text.opx").write_text("not HDF5\n")
        self.fails(3, r"text\.opx", "info", "text.opx")
        self.fails(3, r"text\.opx", "train", "text.opx", "--run-dir", "run")
        self.assertFalse((self.folder / "run/metrics.jsonl").exists())

    def test_truncated_store(self):
        self.generate()
        path = self.folder / "tiny.opx"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        self.fails(3, r"tiny\.opx", "train", "tiny.opx", "--run-dir", "run")


    def test_damage_that_reads_well_is_found_by_verify(self):
        self.generate()
        path = self.folder / "tiny.opx"
        good = path.read_bytes()
        train = ("-q", "train", "tiny.opx", "--layers", 2, "--hidden", 4, "--epochs", 1)
        found = 0
        for at in range(len(good) // 4, len(good), len(good) // 16):
            data = bytearray(good)
            data[at] ^= 4
            path.write_bytes(data)
            if support.run("-q", "info", "tiny.opx", "--verify", cwd=self.folder).code == 0:
                continue  # a byte that holds nothing
            found += 1
            for ranks in (1, 2):
                self.fails(3, r"tiny\.opx", *train, "--verify", "--ranks", ranks, "--run-dir", f"run-{at}")
            self.assertFalse((self.folder / f"run-{at}").exists())
        self.assertGreater(found, 2)
        path.write_bytes(good)
        self.good(*train, "--verify", "--ranks", 2, "--run-dir", "run")
        self.assertIn("verify = true", (self.folder / "run/config.toml").read_text())


class BadCheckpoint(support.Case):
    def train(self, store, run):
        self.good("-q", "train", store, "--run-dir", run, "--layers", 2, "--hidden", 4, "--epochs", 2)

    def test_hdf5_of_another_program(self):
        """A checkpoint of ours is HDF5, but no store; it stands in for any HDF5 file."""
        self.generate()
        self.train("tiny.opx", "run")
        files = [p for p in (self.folder / "run").rglob("*") if p.is_file() and p.read_bytes()[:4] == b"\x89HDF"]
        self.assertTrue(files)
        self.fails(3, "not|no ", "info", files[0])
        self.fails(3, "not|no ", "train", files[0], "--run-dir", "other")

    def test_checkpoint_of_another_dataset(self):
        self.generate("a.opx", seed=1)
        self.generate("b.opx", seed=2)
        self.train("a.opx", "run")
        self.fails(3, "checksum", "eval", "run", "--dataset", "b.opx")
        self.fails(3, "checksum", "train", "b.opx", "--resume", "run", "--epochs", 5)
        self.good("eval", "run")

    def test_damaged_checkpoint(self):
        self.generate()
        self.good("-q", "train", "tiny.opx", "--run-dir", "run", "--layers", 2, "--hidden", 8, "--epochs", 4, "--checkpoint-every", 2)
        model = self.folder / "run/checkpoints/epoch-000004/model.h5"
        data = bytearray(model.read_bytes())
        good = bytes(data)
        (self.folder / "run/checkpoints/.epoch-000006.tmp").mkdir()
        for at in (len(data) // 3, len(data) - 40):
            data[at] ^= 1
            model.write_bytes(data)
            pattern = r"epoch-000004/model\.h5: .*the checkpoint is damaged.*newest intact one before it is run/checkpoints/epoch-000002"
            self.fails(3, pattern, "eval", "run")
            self.fails(3, pattern, "train", "--resume", "run", "--epochs", 6)
            if support.MPIRUN:
                self.fails(3, pattern, "train", "--resume", "run", "--epochs", 6, mpi=2)
            data[at] ^= 1
        model.write_bytes(good)
        self.assertTrue((self.folder / "run/checkpoints/.epoch-000006.tmp").exists())
        self.good("-q", "train", "--resume", "run/checkpoints/epoch-000002", "--epochs", 6)
        self.assertEqual([p.name for p in sorted((self.folder / "run/checkpoints").iterdir())], ["epoch-000004", "epoch-000006"])

    def test_no_checkpoint(self):
        (self.folder / "nothing").mkdir()
        self.fails(3, "nothing", "eval", "nothing")
        self.fails(3, "missing", "eval", "missing")
        self.fails(3, "missing", "train", "--resume", "missing")


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("mount"), "mounting a small disk needs root")
class BadDisk(support.Case):
    def mount(self, options):
        disk = self.folder / "disk"
        disk.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"cannot mount a tmpfs here: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=False, capture_output=True)
        return disk

    def remount_read_only(self, disk):
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True, capture_output=True)

    def test_disk_full_while_preparing(self):
        disk = self.mount("size=1m")
        self.fails(4, "disk|space", "generate", "partition", "-o", disk / "big.opx", "--vertices", 20000)
        self.assertEqual(list(disk.iterdir()), [], "nothing is left on the full disk")

    def test_disk_full_while_training_keeps_the_last_checkpoint(self):
        self.generate(vertices=3000)
        disk = self.mount("size=1500k")
        # Wide enough that the first checkpoint fits and a second beside it does not.
        arguments = ["train", "tiny.opx", "--run-dir", disk / "run", "--layers", 2, "--hidden", 6000, "--epochs", 6, "--checkpoint-every", 2,
                     "--keep-checkpoints", 3, "--eval-every", 0]
        self.fails(4, "disk|space", *arguments)
        checkpoints = [p for p in (disk / "run").rglob("*") if p.is_file() and p.read_bytes()[:4] == b"\x89HDF"]
        self.assertGreaterEqual(len(checkpoints), 1)
        (self.folder / "copy").mkdir()
        shutil.copytree(disk / "run", self.folder / "copy/run")
        self.good("eval", "copy/run", "--dataset", "tiny.opx")

    def test_unwritable_folder(self):
        self.generate()
        disk = self.mount("size=1m")
        self.remount_read_only(disk)
        self.fails(4, "disk", "train", "tiny.opx", "--run-dir", disk / "run", "--epochs", 2)
        self.fails(4, "disk", "generate", "road", "--side", 20, "-o", disk / "x.opx")


if __name__ == "__main__":
    unittest.main()
