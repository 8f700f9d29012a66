// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Picks the edges of neighbouring row tiles out of a list of coded edges. Private to graph/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "device/buffer.hpp"
#include "graph/edge_log.hpp"
#include "graph/tile_code.hpp"

namespace opx::graph {

/// Edges of row tiles [tiles.begin, tiles.end), those of one row tile together, in input order within it.
struct RowTileEdges {
  Range tiles;
  std::vector<Index> start;  ///< tiles.size() + 1
  device::Buffer<std::uint64_t> edges;
  device::Buffer<float> weights;

  /// Of the i-th of these row tiles.
  [[nodiscard]] std::span<const std::uint64_t> edges_of(Index i) const;
  [[nodiscard]] std::span<const float> weights_of(Index i) const;  ///< empty where there are none
};

/// Picks the edges of some row tiles out of coded ones; `mirror` adds the inverse of each behind it (of a
/// self loop: none). In parallel over chunks; the result does not depend on the number of threads.
[[nodiscard]] RowTileEdges gather_row_tiles(device::Context& context, const EdgeLog& coded,
                                            const TileCode& code, bool mirror, Range tiles);

}  // namespace opx::graph
