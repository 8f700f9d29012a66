# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""scripts/fetch_dataset.sh against a server on loopback that breaks the first transfers and serves ranges."""
import hashlib
import http.server
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

    def fetch(self, *arguments, code=0):
        environment = {**os.environ, "OPX_FETCH_PAUSE": "0", "OPX_FETCH_TRIES": "4", "no_proxy": "127.0.0.1"}
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

    def test_refuses_what_it_cannot_fetch(self):
        self.assertIn("not in datasets/registry.json", self.fetch("nothing", "--to", str(self.folder), code=2))
        self.assertIn("not published as one file", self.fetch("cora", "--to", str(self.folder), code=2))
        self.assertIn("is not known", self.fetch("cora", "--form", "x", code=2))
        self.assertIn("NAME", self.fetch(code=2))
        self.url += ".missing"
        self.assertIn("cannot download", self.get(code=4))


if __name__ == "__main__":
    unittest.main()
