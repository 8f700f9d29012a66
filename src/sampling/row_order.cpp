// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/row_order.hpp"

#include <algorithm>

#include "layout/placement.hpp"

namespace opx::sampling {

RowOrder::RowOrder(const graph::Store& store, const layout::GraphShard& full, std::span<const int> blocks)
    : in_loss_(static_cast<std::size_t>(full.vertices / 64 + 1)),
      loss_rows_(static_cast<std::size_t>(full.grid.tensor_ranks())) {
  std::vector<graph::Split> split;
  for (const int block : blocks) {
    const Range range = layout::block_range(full.vertices, full.grid.tensor_ranks(), block);
    split.resize(static_cast<std::size_t>(range.size()));
    store.read_splits(range, split);
    for (Index p = range.begin; p < range.end; ++p) {
      if (split[static_cast<std::size_t>(p - range.begin)] == graph::Split::kTrain)
        in_loss_[static_cast<std::size_t>(p) >> 6U] |= std::uint64_t{1}
                                                       << (static_cast<std::size_t>(p) & 63U);
    }
  }
}

void RowOrder::set(const Selection& selection) {
  if (in_loss_.empty()) return;
  const std::vector<std::int32_t>& position = selection.position;
  row_.reserve(position.capacity()), vertex_.reserve(position.capacity());
  row_.resize(position.size()), vertex_.resize(position.size());
  for (std::size_t b = 0; b < loss_rows_.size(); ++b) {
    const auto first = static_cast<std::size_t>(selection.offsets[b]),
               last = static_cast<std::size_t>(selection.offsets[b + 1]);
    std::int32_t in = 0;
    for (std::size_t i = first; i < last; ++i) in += in_loss(position[i]) ? 1 : 0;
    std::int32_t next[2] = {in, 0};  // the next row of the others, of the loss
    for (std::size_t i = first; i < last; ++i) {
      const std::int32_t row = next[in_loss(position[i]) ? 1 : 0]++;
      row_[i] = row;
      vertex_[first + static_cast<std::size_t>(row)] = static_cast<std::int32_t>(i);
    }
    loss_rows_[b] = in;
  }
}

}  // namespace opx::sampling
