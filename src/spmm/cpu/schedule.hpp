// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// How the rows of a sparse matrix are cut into tasks. Boundaries depend on the matrix alone, never on the
// number of threads, so that sums are bit-identical for any of them.
//
// Row i starts at cost row_offsets[i] + i (its entries and one for itself, as in merge-path SpMV: Merrill and
// Garland, SC'16); a chunk holds the rows that start in one window of kChunkCost. Only the last row of a
// chunk can be longer than a window. Where it has more than kHubEntries it leaves the chunk and becomes
// pieces of kPieceEntries, whose partial sums are added in rising order afterwards.
#pragma once

#include <vector>

#include "spmm/csr.hpp"

namespace opx::spmm::cpu {

inline constexpr Index kChunkCost = 4096;
inline constexpr Index kHubEntries = 16384;
inline constexpr Index kPieceEntries = 8192;
static_assert(kHubEntries >= kChunkCost);

/// A long row and where its pieces are in Schedule::pieces.
struct Hub {
  Index row = 0;
  Range pieces;
};

struct Schedule {
  std::vector<Range> chunks;  ///< rows, hubs left out; may be empty ranges
  std::vector<Hub> hubs;
  std::vector<Range> pieces;  ///< entries
};

/// O(chunks log rows).
[[nodiscard]] Schedule make_schedule(const CsrView& a);

}  // namespace opx::spmm::cpu
