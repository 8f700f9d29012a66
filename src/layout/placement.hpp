// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A placement says where each vertex lives: a permutation of the vertices (position -> original id) and V
// virtual blocks that are contiguous ranges of positions (design.md 4.2). Block b of P covers positions
// [floor(b N / P), floor((b+1) N / P)): where P divides V these are unions of virtual blocks, so one prepared
// dataset serves every such grid with the same strata; other P cut at the same formula.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "device/context.hpp"
#include "layout/grid.hpp"

namespace opx::layout {

enum class Deal : std::uint8_t { kRandom, kDegree, kContiguous };
enum class Order : std::uint8_t { kNatural, kRandom, kMetis, kRcm };
[[nodiscard]] std::string_view name(Deal deal) noexcept;
[[nodiscard]] std::string_view name(Order order) noexcept;
[[nodiscard]] Deal parse_deal(std::string_view text);  ///< throws InvalidArgument with a suggestion
[[nodiscard]] Order parse_order(std::string_view text);

/// The largest power of two with at least 512 vertices a block, at most 4096, at least 1.
[[nodiscard]] Index default_virtual_blocks(Index vertices) noexcept;

/// Positions of rank block `block` of `blocks`.
[[nodiscard]] inline Range block_range(Index vertices, int blocks, int block) noexcept {
  return even_range(vertices, blocks, block);
}
/// Padded block length n = ceil(N / P).
[[nodiscard]] inline Index padded_rows(Index vertices, int blocks) noexcept {
  return ceil_div(vertices, blocks);
}

/// Virtual block of each vertex under a deal; block v holds exactly even_range(N, V, v).size() vertices.
/// random: keyed permutation, grid-independent. degree: snake deal by falling degree, random within equal
/// degree and with the lanes of the snake mixed. contiguous: by original id. `degrees` (N) is needed by
/// degree only. Permutations are evaluated on the threads of `context` where there is one.
[[nodiscard]] std::vector<std::int32_t> deal_vertices(Deal deal, Index vertices, Index virtual_blocks,
                                                      std::uint64_t seed,
                                                      std::span<const std::int32_t> degrees,
                                                      device::Context* context = nullptr);

/// original id at each position: block by block, inside a block in the order of `rank_in_order` (smaller
/// first; empty: by original id).
[[nodiscard]] std::vector<Index> positions_from_deal(std::span<const std::int32_t> block_of,
                                                     Index virtual_blocks,
                                                     std::span<const Index> rank_in_order);

/// max / mean of the non-zeros over tiles.
struct Imbalance {
  std::string policy;
  double max_over_mean = 0;
};

/// Non-zeros of each (row slab R, column slab K) tile of a layer's roles for A given as position pairs,
/// streamed: construct, add(edges), result().
class TileCounter {
 public:
  /// `row_part` and `col_part` give each vertex's part among `rows` and `cols`.
  TileCounter(std::vector<std::int32_t> row_part, std::vector<std::int32_t> col_part, int rows, int cols);
  void add(Index dst, Index src) noexcept {
    ++counts_[static_cast<std::size_t>(row_part_[static_cast<std::size_t>(dst)]) *
                  static_cast<std::size_t>(cols_) +
              static_cast<std::size_t>(col_part_[static_cast<std::size_t>(src)])];
  }
  [[nodiscard]] double max_over_mean() const;

 private:
  std::vector<std::int32_t> row_part_, col_part_;
  int cols_;
  std::vector<Index> counts_;
};

}  // namespace opx::layout
