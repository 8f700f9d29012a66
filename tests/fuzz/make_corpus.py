#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""make_corpus.py FOLDER: writes small valid inputs for every fuzz harness, one folder each, from datasets/tiny."""
import gzip
import io
import pathlib
import struct
import sys
import zipfile

TINY = pathlib.Path(__file__).resolve().parents[2] / "datasets/tiny"


def npy(descr, shape, data, fortran=False, version=1):
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    prefix = 10 if version == 1 else 12
    header += " " * (-(prefix + len(header) + 1) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + data


def npz(members, method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            with archive.open(name + ".npy", "w", force_zip64=method == zipfile.ZIP_STORED) as member:
                member.write(data)
    return out.getvalue()


def main():
    root = pathlib.Path(sys.argv[1])
    edges = [tuple(map(int, line.split(","))) for line in (TINY / "ogbn/raw/edge.csv").read_text().split()]
    both = sorted(edges + [(b, a) for a, b in edges])
    pointers = [sum(a < v for a, _ in both) for v in range(8)]
    ints = lambda values: struct.pack(f"<{len(values)}q", *values)
    csv = (TINY / "edges.csv").read_bytes()
    heterophilous = {
        "node_labels": npy("<i8", "(7,)", ints([0, 1, 2, 1, 0, 0, 2])),
        "node_features": npy("<f4", "(7, 2)", struct.pack("<14f", *range(14)), fortran=True),
        "edges": npy("<i8", "(8, 2)", ints([v for edge in edges for v in edge])),
        "train_masks": npy("|b1", "(2, 7)", bytes([1, 1, 0, 0, 0, 0, 0] * 2)),
    }
    csr = {
        "indptr": npy("<i8", "(8,)", ints(pointers)),
        "indices": npy("<i4", "(16,)", struct.pack("<16i", *(b for _, b in both))),
        "data": npy("<f8", "(16,)", struct.pack("<16d", *range(16))),
        "shape": npy("<i8", "(2,)", ints([7, 7])),
        "format": npy("|S3", "()", b"csr"),
    }
    coo = {
        "row": npy("<i8", "(16,)", ints([a for a, _ in both])),
        "col": npy("<i8", "(16,)", ints([b for _, b in both])),
        "shape": npy("<i8", "(2,)", ints([7, 7])),
        "format": npy("<U3", "()", "coo".encode("utf-32-le")),
    }
    seeds = {
        "gzip_csv": [csv, gzip.compress(csv), gzip.compress(csv) + gzip.compress(b"5,0\n"), gzip.compress(csv, 0)],
        "npy": [heterophilous["edges"], csr["data"], npy(">i4", "(2,)", b"\0\0\0\1\0\0\0\2", version=2),
                npy("<f2", "(2,)", b"\0\x3c\0\x40", version=3), csr["format"]],
        "npz": [npz(members, method) for members in (heterophilous, csr, coo)
                for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)],
        "matrix_market": [(TINY / "tiny.mtx").read_bytes(), (TINY / "tiny-general.mtx").read_bytes(),
                          b"%%MatrixMarket matrix coordinate integer skew-symmetric\n3 3 1\n2 1 5\n"],
        "metis": [(TINY / "tiny.graph").read_bytes(), b"3 2 111 2\n1 5 5 2 10\n1 5 5 1 10 3 20\n1 5 5 2 20\n"],
        "edge_list": [(TINY / name).read_bytes() for name in ("edges.txt", "gaps.txt", "names.csv")] + [b"0 1 0.5\n2 1 -3e2\n"],
    }
    for harness, files in seeds.items():
        folder = root / harness
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(files):
            (folder / f"seed{number}").write_bytes(data)


if __name__ == "__main__":
    main()
