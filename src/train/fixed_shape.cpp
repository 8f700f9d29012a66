// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/fixed_shape.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/error.hpp"

namespace opx::train {
namespace {

using Tiles = std::array<std::shared_ptr<const layout::Tile>*, kShardTiles>;
constexpr Index kRounding = 64;
constexpr Index kShort = 64;  // rows no longer are all alike to what multiplies

Index with_room(Index need) { return ceil_div(need + need / 8, kRounding) * kRounding; }

const layout::Tile* tile_at(const Tiles& tiles, std::size_t place) { return tiles[place]->get(); }

}  // namespace

Tiles tiles_of(layout::GraphShard& s) {
  return {&s.tile[0],       &s.tile[1],       &s.tile[2],        &s.transposed[0],
          &s.transposed[1], &s.transposed[2], &s.loss_rows.tile, &s.loss_rows.transposed};
}

void FixedShape::cover(const layout::GraphShard& shard, Index most_rows) {
  const bool more_rows = cover_rows(shard, most_rows), more_tiles = cover_tiles(shard);
  if (more_rows || more_tiles) ++generation;
}

bool FixedShape::cover_rows(const layout::GraphShard& shard, Index most_rows) {
  const std::pair before(rows, loss_rows);
  if (shard.block_rows > rows) rows = std::min(with_room(shard.block_rows), most_rows);
  const Index given = shard.loss_rows.layer < 0 ? 0 : shard.loss_rows.rows;
  if (given > loss_rows) loss_rows = std::min(with_room(given), rows);
  OPX_REQUIRE(shard.block_rows <= rows && given <= loss_rows, InternalError,
              "{} rows a block, {} in the loss, where {} were promised at most", shard.block_rows, given,
              most_rows);
  return before != std::pair(rows, loss_rows);
}

// Places once apart stay so: whether a sub-batch is its own transpose may change from one to the next.
bool FixedShape::cover_tiles(const layout::GraphShard& shard) {
  layout::GraphShard copy = shard;
  const Tiles tiles = tiles_of(copy);
  std::array<int, kShardTiles> parted{};
  bool changed = false;
  int count = 0;
  for (std::size_t i = 0; i < kShardTiles; ++i) {
    parted[i] = -1;
    if (tile_at(tiles, i) == nullptr) continue;
    for (std::size_t j = 0; j < i && parted[i] < 0; ++j)
      if (tile_at(tiles, j) == tile_at(tiles, i) && (generation == 0 || piece_of[j] == piece_of[i]))
        parted[i] = parted[j];
    if (parted[i] < 0) parted[i] = count++;
  }
  if (parted != piece_of) {
    piece_of = parted;
    pieces = {};
    changed = true;
  }
  for (std::size_t i = 0; i < kShardTiles; ++i) {
    if (piece_of[i] < 0) continue;
    const spmm::Csr& csr = *tile_at(tiles, i)->csr;
    Piece& piece = pieces[static_cast<std::size_t>(piece_of[i])];
    const Index longest = spmm::longest_row(csr.row_offsets.span());
    if (csr.nnz() <= piece.entries && longest <= piece.longest) continue;
    changed = true;
    if (csr.nnz() > piece.entries || piece.entries == 0) piece.entries = with_room(csr.nnz());
    if (longest > piece.longest)
      piece.longest =
          static_cast<Index>(std::bit_ceil(static_cast<std::uint64_t>(std::max(longest, kShort))));
  }
  return changed;
}

}  // namespace opx::train
