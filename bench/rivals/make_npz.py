#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""An exported graph with the features and labels of the rivals, as one .npz that `orthoplex prepare` reads
(the heterophilous-graphs layout: undirected edges once, features, labels, masks)."""
import argparse

import numpy as np

import rival_graph


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("folder", help="holds indptr.npy and indices.npy")
    p.add_argument("output")
    p.add_argument("--features", type=int, default=128)
    p.add_argument("--classes", type=int, default=47)
    args = p.parse_args()
    indptr, indices = rival_graph.load(args.folder)
    n = len(indptr) - 1
    rows = np.repeat(np.arange(n, dtype=np.int32), np.diff(indptr))
    once = rows <= indices
    everything = np.ones((1, n), bool)
    np.savez(args.output, edges=np.stack([rows[once], indices[once]], axis=1).astype(np.int64),
             node_features=rival_graph.features(n, args.features), node_labels=rival_graph.labels(n, args.classes),
             train_masks=everything, val_masks=~everything, test_masks=~everything)


if __name__ == "__main__":
    main()
