#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds of a full-graph GCN epoch in PyTorch Geometric: GCNConv on a SparseTensor normalised once."""
import torch
import torch_geometric
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm
from torch_sparse import SparseTensor

import rival_epoch
import rival_graph


def main():
    args = rival_epoch.arguments(__doc__)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    indptr, indices = rival_graph.load(args.folder)
    n = len(indptr) - 1
    adj_t = SparseTensor(rowptr=torch.from_numpy(indptr), col=torch.from_numpy(indices).long(), sparse_sizes=(n, n))
    del indptr, indices
    adj_t = gcn_norm(adj_t, add_self_loops=False)  # the export has the self loops
    width = rival_epoch.widths(args)
    convolutions = [GCNConv(a, b, normalize=False) for a, b in zip(width, width[1:])]
    rival_epoch.run(args, f"PyG {torch_geometric.__version__} GCNConv SparseTensor", convolutions,
                    lambda f, x: f(x, adj_t))


if __name__ == "__main__":
    main()
