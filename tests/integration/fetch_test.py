# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/fetch_dataset.sh against a server on loopback that breaks the first transfers and serves ranges."""
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTENT = bytes((i * 7919 + i // 251) % 256 for i in range(200_000))
SUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; breaks off the first `breaks` answers in their middle."""

    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        if self.path != "/set.zip":
            self.send_error(404)
            return
        begin = 0
        if self.headers.get("Range") and server.ranged:
            begin = int(self.headers["Range"].removeprefix("bytes=").split("-")[0])
            if begin >= len(CONTENT):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send_response(200)
        body = CONTENT[begin:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks > 0:
            server.breaks -= 1
            body = body[: len(body) // 3]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class FetchTest(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.breaks, self.server.ranged, self.server.ranges = 0, True, []
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.url = f"http://127.0.0.1:{self.server.server_port}/set.zip"

    def fetch(self, *arguments, code=0, registry=None):
        environment = {**os.environ, "OPX_FETCH_PAUSE": "0", "OPX_FETCH_TRIES": "4", "no_proxy": "127.0.0.1"}
        if registry:
            environment["OPX_REGISTRY"] = str(registry)
        done = subprocess.run([ROOT / "scripts/fetch_dataset.sh", *arguments], capture_output=True, text=True,
                              env=environment, timeout=120, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def get(self, *arguments, code=0, name="ogbn-arxiv"):
        return self.fetch(name, "--to", str(self.folder), "--url", self.url, *arguments, code=code)

    def test_resumes_broken_transfers(self):
        self.server.breaks = 2
        output = self.get()
        self.assertEqual((self.folder / "set.zip").read_bytes(), CONTENT)
        self.assertEqual(self.server.ranges[0], None)
        self.assertEqual(self.server.ranges[1], f"bytes={len(CONTENT) // 3}-")
        self.assertEqual(len(self.server.ranges), 3)
        self.assertIn(SUM, output)
        self.assertIn("ODC-BY", output)
        self.assertEqual((self.folder / "set.zip.sha256").read_text(), f"{SUM}  set.zip\n")

    def test_begins_anew_where_the_server_cannot_resume(self):
        self.server.breaks, self.server.ranged = 1, False
        self.get()
        self.assertEqual((self.folder / "set.zip").read_bytes(), CONTENT)

    def test_resumes_at_the_next_call(self):
        self.server.breaks = 4
        self.assertIn("cannot download", self.get(code=4))
        part = (self.folder / "set.zip.part").stat().st_size
        self.assertGreater(part, 0)
        self.server.ranges.clear()
        self.get()
        self.assertEqual(self.server.ranges[0], f"bytes={part}-")
        self.assertEqual((self.folder / "set.zip").read_bytes(), CONTENT)

    def test_checks_the_sum(self):
        self.assertIn("as expected", self.get("--sha256", SUM))
        (self.folder / "set.zip").unlink()
        output = self.get("--sha256", "0" * 64, code=3)
        self.assertIn(f"expected {'0' * 64}", output)
        self.assertFalse((self.folder / "set.zip").exists())
        self.assertTrue((self.folder / "set.zip.bad").exists())

    def test_checks_the_recorded_sum_without_downloading_again(self):
        self.get()
        self.server.ranges.clear()
        self.assertIn("is there already", self.get())
        self.assertEqual(self.server.ranges, [])
        (self.folder / "set.zip").write_bytes(b"damaged")
        self.assertIn("expected " + SUM, self.get(code=3))

    def test_says_that_no_sum_is_known_and_records_it(self):
        output = self.get()
        self.assertIn("no sum of this file is known: its content is not checked", output)
        self.assertIn(f"sha256 {SUM} (unchecked;", output)
        self.assertIn("is as expected", self.get())
        self.assertNotIn("no sum", self.get())
        registry = self.folder / "registry.json"
        text = (ROOT / "datasets/registry.json").read_text(encoding="utf-8")
        url = next(e["url"] for e in json.loads(text)["datasets"] if e["name"] == "ogbn-arxiv")
        registry.write_text(text.replace(url, self.url), encoding="utf-8")
        before = json.loads(registry.read_text(encoding="utf-8"))["datasets"]
        target = ("arxiv", "--to", str(self.folder / "new"))
        self.assertIn(f"recorded in {registry}", self.fetch(*target, "--record", registry=registry))
        after = json.loads(registry.read_text(encoding="utf-8"))["datasets"]
        self.assertEqual([e["name"] for a, e in zip(before, after) if a != e], ["ogbn-arxiv"])
        self.assertEqual(next(e for e in after if e["name"] == "ogbn-arxiv")["sha256"], SUM)
        (self.folder / "new/set.zip.sha256").unlink()
        self.assertIn("is as expected", self.fetch(*target, registry=registry))
        (self.folder / "new/set.zip").write_bytes(b"other")
        self.assertIn("expected " + SUM, self.fetch(*target, "--record", code=3, registry=registry))

    def test_says_what_comes_next(self):
        self.assertIn(f"next: orthoplex prepare {self.folder}/set.zip", self.get())
        self.assertIn("note: directed citations", self.get())

    def test_refuses_what_it_cannot_fetch(self):
        self.assertIn("--record is for", self.get("--record", code=2))
        self.assertIn("--record is for", self.fetch("nothing", "--record", code=2))
        self.assertIn("not in datasets/registry.json", self.fetch("nothing", "--to", str(self.folder), code=2))
        self.assertIn("not published as one file", self.fetch("cora", "--to", str(self.folder), code=2))
        self.assertIn("is not known", self.fetch("cora", "--form", "x", code=2))
        self.assertIn("NAME", self.fetch(code=2))
        self.url += ".missing"
        self.assertIn("cannot download", self.get(code=4))


if __name__ == "__main__":
    unittest.main()
