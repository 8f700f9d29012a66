// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// All edges without weights, parted by tile in one pass over a list in memory, in the memory of that list. An
// entry takes 32 bits: its bucket says the row tile and the high bits of the column, so that both directions
// of an edge fit where the edge was. Private to graph/.
//
//   bucket = row tile * parts + (column code >> column_bits)
//   entry  = row within its tile << column_bits | low bits of the column code
//
// Buckets are lists of blocks. A chunk of the list that was read is cut into blocks, which the next chunks
// fill: memory grows by a block or two for each bucket and thread, and hardly any page is touched for the
// first time (on a virtual machine that costs more than the sorting).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "device/buffer.hpp"
#include "graph/edge_log.hpp"
#include "graph/tile_code.hpp"

namespace opx::graph {

/// Sizes of the buckets for a way to cut vertices into tiles.
struct BucketShape {
  int column_bits = 0;    ///< of an entry
  Index parts = 1;        ///< buckets of one row tile
  Index buckets = 1;      ///< in all
  Index block_bytes = 0;  ///< a power of two

  /// None where entries do not fit 32 bits, or there would be too many buckets, or `memory` bytes beside the
  /// list are too few for the blocks of `threads` threads.
  static std::optional<BucketShape> fit(const TileCode& code, int threads, std::int64_t memory);
};

class EdgeBuckets {
 public:
  using Block = std::span<const std::uint32_t>;

  /// Takes the chunks of `log` (in memory, of original ids, without weights), leaving them empty; `mirror`
  /// adds the inverse of each edge (of a self loop: none). Entries of a bucket are in no particular order.
  EdgeBuckets(device::Context& context, EdgeLog& log, const VertexCodes& codes, const TileCode& code,
              const BucketShape& shape, bool mirror);

  [[nodiscard]] const BucketShape& shape() const noexcept { return shape_; }
  /// Bucket `part` of a row tile.
  [[nodiscard]] std::span<const Block> blocks(Index row_tile, Index part) const;

 private:
  class Pool;
  class Filler;
  BucketShape shape_;
  std::vector<device::Buffer<std::uint64_t>> memory_;
  std::vector<std::vector<Block>> blocks_;
};

}  // namespace opx::graph
