// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes an R-MAT graph as an OGB csv.gz folder: the input of prepare_vs_pandas.sh.
//   rmat_csv FOLDER SCALE EDGE_FACTOR
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "graph/export.hpp"
#include "graph/generate.hpp"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: rmat_csv FOLDER SCALE EDGE_FACTOR\n");
    return 2;
  }
  try {
    opx::device::Context context;
    opx::graph::export_ogbn_csv(
        context,
        opx::graph::generate_rmat(context, {.scale = std::atoi(argv[2]), .edge_factor = std::atoll(argv[3])}),
        argv[1]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
