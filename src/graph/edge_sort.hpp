// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// From coded edges to the sorted tiles of the store. A vertex's code is its tile << local_bits | its place in
// the tile, so that cutting into tiles is shifts and masks. Private to graph/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "device/buffer.hpp"
#include "graph/edge_log.hpp"
#include "graph/prepare.hpp"
#include "graph/store_writer.hpp"

namespace opx::graph {

/// How positions are cut into T tiles and coded.
struct TileCode {
  Index vertices = 0, tiles = 1;
  int local_bits = 0;
  TileCode(Index vertices_, Index tiles_);
  [[nodiscard]] std::uint32_t tile(std::uint32_t code) const noexcept { return code >> local_bits; }
  [[nodiscard]] std::uint32_t local(std::uint32_t code) const noexcept {
    return code & ((1U << local_bits) - 1U);
  }
  [[nodiscard]] bool wide() const noexcept;
};

/// Edges of row tiles [tiles.begin, tiles.end), those of one row tile together, in input order within it.
struct RowTileEdges {
  Range tiles;
  std::vector<Index> start;  ///< tiles.size() + 1
  device::Buffer<std::uint64_t> edges;
  device::Buffer<float> weights;
};

/// Picks the edges of some row tiles out of coded ones; `mirror` adds the inverse of each behind it (of a
/// self loop: none). In parallel over chunks; the result does not depend on the number of threads.
[[nodiscard]] RowTileEdges gather_row_tiles(device::Context& context, const EdgeLog& coded,
                                            const TileCode& code, bool mirror, Range tiles);

/// Counts made while one row tile was sorted. The hashes are sums over entries, so that those of all row
/// tiles add up: A == A^T exactly if both are zero in the end (up to chance of 2^-128).
struct TileStats {
  Index self_loops = 0, dropped_self_loops = 0, duplicates = 0;
  std::uint64_t asymmetry[2] = {0, 0};
};

struct SortOptions {
  SelfLoops self_loops = SelfLoops::kKeep;
  Duplicates duplicates = Duplicates::kMerge;
  bool check_symmetry = true;
};

/// Sorts one row tile into T tiles by (row, col), merging duplicates in input order.
TileStats sort_row_tile(std::span<const std::uint64_t> edges, std::span<const float> weights, Index row_tile,
                        const TileCode& code, const SortOptions& options, RowTile& out);

}  // namespace opx::graph
