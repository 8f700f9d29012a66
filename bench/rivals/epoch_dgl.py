#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds of a full-graph GCN epoch in DGL: GraphConv with norm='both' (pattern-only SpMM), its fastest path."""
import os

os.environ.setdefault("DGLBACKEND", "pytorch")
import dgl  # noqa: E402
import dgl.nn  # noqa: E402

import rival_epoch  # noqa: E402
import rival_graph  # noqa: E402


def main():
    args = rival_epoch.arguments(__doc__)
    indptr, indices = rival_graph.load(args.folder)
    graph = dgl.graph(("csc", (indptr, indices.astype("int64"), [])), num_nodes=len(indptr) - 1).int()
    graph = graph.to(args.device)
    graph.create_formats_()
    del indptr, indices
    width = rival_epoch.widths(args)
    convolutions = [dgl.nn.GraphConv(a, b, norm="both") for a, b in zip(width, width[1:])]
    rival_epoch.run(args, f"dgl {dgl.__version__} GraphConv both", convolutions, lambda f, x: f(graph, x))


if __name__ == "__main__":
    main()
