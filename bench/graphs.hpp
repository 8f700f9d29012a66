// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Graphs for kernel benchmarks, made in memory: a few seconds for 30 million entries. Undirected, without
// duplicates, with self loops; functions of the seed alone.
#pragma once

#include <string>

#include "spmm/csr.hpp"

namespace opx::bench {

/// R-MAT (0.57, 0.19, 0.19, 0.05) of 2^scale vertices, edge_factor draws a vertex, symmetrised.
[[nodiscard]] spmm::Csr rmat(device::Context& context, int scale, Index edge_factor, std::uint64_t seed);

/// Power-law degrees without locality: both ends of every edge are drawn with probability about (rank)^-0.5
/// over `vertices`, ids are random. About `nnz` entries after symmetrising.
[[nodiscard]] spmm::Csr power_law(device::Context& context, Index vertices, Index nnz, std::uint64_t seed);

/// side x side points, each joined to its four neighbours. `shuffled` gives the points random ids.
[[nodiscard]] spmm::Csr lattice(device::Context& context, Index side, bool shuffled, std::uint64_t seed);

/// Writes indptr.npy (int64) and indices.npy (int32) into `folder`, which must exist.
void export_npy(const spmm::CsrView& a, const std::string& folder);
/// Reads what export_npy wrote.
[[nodiscard]] spmm::Csr import_npy(device::Context& context, const std::string& folder);

}  // namespace opx::bench
