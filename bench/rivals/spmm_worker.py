# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Times one SpMM of PyTorch or DGL for every line "COLS KIND" on standard input; answers with JSON lines.

Started by spmm_rivals.py in the interpreter that has the library. KIND: torch-int32, torch-int64 (torch.sparse.mm on
CSR, MKL beneath), dgl (ops.copy_u_sum).
"""
import json
import os
import sys
import time

os.environ.setdefault("DGLBACKEND", "pytorch")
import torch  # noqa: E402

import rival_graph  # noqa: E402


def make_kernels(library, indptr, indices):
    n = len(indptr) - 1
    if library == "dgl":
        import dgl

        graph = dgl.graph(("csc", (indptr, indices.astype("int64"), [])), num_nodes=n)
        graph = graph.int().formats("csc")
        return {"dgl": lambda x: dgl.ops.copy_u_sum(graph, x)}
    ones = torch.ones(len(indices), dtype=torch.float32)
    kernels = {}
    for name, kind in (("torch-int32", torch.int32), ("torch-int64", torch.int64)):
        a = torch.sparse_csr_tensor(torch.from_numpy(indptr).to(kind), torch.from_numpy(indices).to(kind), ones, (n, n))
        kernels[name] = lambda x, a=a: torch.sparse.mm(a, x)
    return kernels


def main():
    library, folder, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(threads)
    indptr, indices = rival_graph.load(folder)
    kernels = make_kernels(library, indptr, indices)
    print(json.dumps({"ready": True, "torch": torch.__version__, "kinds": list(kernels)}), flush=True)
    x = None
    for line in sys.stdin:
        cols, kind = line.split()
        if x is None or x.shape[1] != int(cols):
            x = torch.from_numpy(rival_graph.features(len(indptr) - 1, int(cols)))
        start = time.perf_counter()
        y = kernels[kind](x)
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "checksum": rival_graph.checksum(y.numpy())}), flush=True)
        del y


if __name__ == "__main__":
    with torch.no_grad():
        main()
