// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to sampling/: which row of its block a sampled vertex becomes. Rising positions; or first the
// vertices of the training split, which a loss reads, and then the others, both rising. So the rows of the
// loss are the first ones of every block, on every rank that looks at the block.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/store.hpp"
#include "layout/graph_shard.hpp"
#include "sampling/sampler.hpp"

namespace opx::sampling {

class RowOrder {
 public:
  /// Rising positions.
  RowOrder() = default;
  /// Rows of the loss first: reads the splits of `blocks` of the graph `full`, N / 8 bytes.
  RowOrder(const graph::Store& store, const layout::GraphShard& full, std::span<const int> blocks);

  /// Of what was drawn; O(drawn), no allocation once it has reached its size.
  void set(const Selection& selection);

  /// The row in its block of sampled vertex i, whose block begins with `first`.
  [[nodiscard]] Index row(std::size_t i, std::size_t first) const noexcept {
    return row_.empty() ? static_cast<Index>(i - first) : row_[i];
  }
  /// The inverse: the sampled vertex that is row `row` of the block that begins with `first`.
  [[nodiscard]] std::size_t vertex(Index row, std::size_t first) const noexcept {
    const std::size_t at = first + static_cast<std::size_t>(row);
    return vertex_.empty() ? at : static_cast<std::size_t>(vertex_[at]);
  }
  /// Rows of the loss that `block` has; 0 without them.
  [[nodiscard]] Index loss_rows(int block) const noexcept {
    return loss_rows_.empty() ? 0 : loss_rows_[static_cast<std::size_t>(block)];
  }

 private:
  [[nodiscard]] bool in_loss(std::int32_t position) const noexcept {
    const auto p = static_cast<std::size_t>(position);
    return (in_loss_[p >> 6U] >> (p & 63U) & 1U) != 0;
  }
  std::vector<std::uint64_t> in_loss_;  // a bit for each position; empty: rising positions
  std::vector<std::int32_t> row_, vertex_;
  std::vector<Index> loss_rows_;
};

}  // namespace opx::sampling
