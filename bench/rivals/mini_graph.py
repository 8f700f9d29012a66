#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""A graph in OGB's raw csv layout (edges once) as one .npz that loads in a second: CSR of both directions without
duplicates, features, labels, splits.    mini_graph.py FOLDER OUTPUT.npz      (numpy, pandas, scipy)
"""
import pathlib
import sys

import numpy as np
import pandas
import scipy.sparse


def column(path, kind):
    return pandas.read_csv(path, header=None, dtype=kind).to_numpy()


def convert(folder, output):
    raw = folder / "raw"
    (split,) = (folder / "split").iterdir()
    n = int(column(raw / "num-node-list.csv.gz", np.int64)[0, 0])
    src, dst = column(raw / "edge.csv.gz", np.int32).T
    rows, cols = np.concatenate([src, dst]), np.concatenate([dst, src])
    a = scipy.sparse.csr_matrix((np.ones(len(rows), np.int8), (rows, cols)), shape=(n, n))  # sums duplicates
    a.sort_indices()
    np.savez(output, indptr=a.indptr.astype(np.int64), indices=a.indices,
             features=column(raw / "node-feat.csv.gz", np.float32),
             labels=column(raw / "node-label.csv.gz", np.float32).ravel().astype(np.int64),
             **{part: column(split / f"{part}.csv.gz", np.int64).ravel() for part in ("train", "valid", "test")})


if __name__ == "__main__":
    convert(pathlib.Path(sys.argv[1]), sys.argv[2])
