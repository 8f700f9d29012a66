#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Seconds of a full-graph GCN epoch in PyTorch Geometric: GCNConv on an adjacency normalised once, as a SparseTensor, or
where torch_sparse is not installed (or --torch-sparse asks for it) as a sparse CSR tensor of PyTorch."""
import sys

import torch
import torch_geometric
from torch_geometric.nn import GCNConv
from torch_geometric.nn.conv.gcn_conv import gcn_norm

import rival_epoch
import rival_graph


def sparse_tensor(rowptr, col, n):
    from torch_sparse import SparseTensor
    adj_t = SparseTensor(rowptr=rowptr, col=col, sparse_sizes=(n, n))
    return "SparseTensor", gcn_norm(adj_t, add_self_loops=False)  # the export has the self loops


def sparse_csr(rowptr, col, n):
    """D^(-1/2) A D^(-1/2) of a symmetric A, as gcn_norm makes it."""
    scale = (rowptr[1:] - rowptr[:-1]).float().clamp(min=1).rsqrt()
    values = scale.repeat_interleave(rowptr[1:] - rowptr[:-1]) * scale[col]
    return "torch.sparse CSR", torch.sparse_csr_tensor(rowptr, col, values, size=(n, n))


def main():
    csr_asked = "--torch-sparse" in sys.argv
    if csr_asked:
        sys.argv.remove("--torch-sparse")
    args = rival_epoch.arguments(__doc__)
    indptr, indices = rival_graph.load(args.folder)
    n = len(indptr) - 1
    rowptr, col = torch.from_numpy(indptr), torch.from_numpy(indices).long()
    try:
        path, adj_t = (sparse_csr if csr_asked else sparse_tensor)(rowptr, col, n)
    except ImportError:
        path, adj_t = sparse_csr(rowptr, col, n)
    adj_t = adj_t.to(args.device)
    del indptr, indices, rowptr, col
    width = rival_epoch.widths(args)
    convolutions = [GCNConv(a, b, normalize=False) for a, b in zip(width, width[1:])]
    rival_epoch.run(args, f"PyG {torch_geometric.__version__} GCNConv {path}", convolutions,
                    lambda f, x: f(x, adj_t))


if __name__ == "__main__":
    main()
