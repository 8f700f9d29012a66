// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The one shape that the sub-batches of a run are padded to, so that the steps on them are the same work at
// the same addresses (a captured step, train/step_graph.hpp). Rows that are added have no entries, no label
// and no weight; of entries there is room for more than there are.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "layout/graph_shard.hpp"

namespace opx::train {

constexpr std::size_t kShardTiles = 8;
/// The places of tiles in a shard: three forward, three transposed, the loss rows' two.
[[nodiscard]] std::array<std::shared_ptr<const layout::Tile>*, kShardTiles> tiles_of(
    layout::GraphShard& shard);

struct FixedShape {
  Index rows = 0;       ///< of a block
  Index loss_rows = 0;  ///< 0: all layers give all rows
  /// Of each place which of `pieces` it is, tiles that are one object being one piece; -1: there is none.
  std::array<int, kShardTiles> piece_of{-1, -1, -1, -1, -1, -1, -1, -1};
  struct Piece {
    Index entries = 0;
    Index longest = 0;  ///< row, rounded up
  };
  std::array<Piece, kShardTiles> pieces{};
  int generation = 0;  ///< changes whenever the shape does

  /// Grows, with an eighth of room, where this sub-batch does not fit; no block ever has more than
  /// `most_rows`. A function of the shape and the sub-batch.
  void cover(const layout::GraphShard& shard, Index most_rows);

 private:
  [[nodiscard]] bool cover_rows(const layout::GraphShard& shard, Index most_rows);
  [[nodiscard]] bool cover_tiles(const layout::GraphShard& shard);
};

}  // namespace opx::train
