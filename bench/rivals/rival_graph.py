# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""The graph that spmm_bench --export wrote, and features and labels that every library can make alike."""
import os

import numpy as np


def load(folder):
    """Row offsets (int64) and column ids (int32) of a square matrix."""
    return (np.load(os.path.join(folder, "indptr.npy")), np.load(os.path.join(folder, "indices.npy")))


def features(rows, cols):
    """What spmm_bench --serve multiplies: ((31 i + 17 j) mod 1000) / 1000 - 0.5 in fp32."""
    x = np.empty((rows, cols), np.float32)
    j = np.arange(cols, dtype=np.int64) * 17
    for begin in range(0, rows, 65536):
        i = np.arange(begin, min(begin + 65536, rows), dtype=np.int64)[:, None] * 31
        x[begin : begin + len(i)] = ((i + j) % 1000).astype(np.float32) / np.float32(1000) - np.float32(0.5)
    return x


def checksum(y):
    """Weighted sum of every 1009th row, as spmm_bench --serve prints it."""
    rows = np.arange(0, y.shape[0], 1009)
    weights = 1 + (rows[:, None] + np.arange(y.shape[1])[None, :]) % 7
    return float((y[rows].astype(np.float64) * weights).sum())


def labels(rows, classes):
    """A class for every row, drawn once."""
    return np.random.default_rng(1).integers(0, classes, rows)
