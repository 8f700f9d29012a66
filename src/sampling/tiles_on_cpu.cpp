// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/tiles_on_cpu.hpp"

#include <algorithm>

namespace opx::sampling {

TilesOnCpu::TilesOnCpu(device::Context& context, const layout::GraphShard& full, const BatchPlan& plan)
    : context_(context), full_(full), plan_(plan), cutter_(context, full, plan.most_columns) {}

void TilesOnCpu::build(const Selection& selection, const RowOrder& order, Batch& out) {
  selection_ = &selection, order_ = &order;
  cut_tiles(out);
  if (plan_.options.loss_rows) cut_loss_rows(out);
  transpose_tiles(out);
}

void TilesOnCpu::cut_tile(std::size_t rotation, bool counted, Index loss_rows, Batch::TileMemory& memory,
                          Batch& out) {
  const Rotation& r = plan_.rotations[rotation];
  CutOptions cut{.estimator = plan_.options.estimator, .order = order_, .loss_rows = loss_rows};
  if (counted) cut.own_block = plan_.own_block, cut.diagonal = out.diagonal;
  const CutCounts counts =
      cutter_.cut(*full_.tile[rotation], r.rows, r.cols, *selection_, cut, csr_of(memory));
  if (counted) set_counts(counts, out);
}

void TilesOnCpu::cut_tiles(Batch& out) {
  for (std::size_t i = 0; i < 3; ++i) {
    const Rotation& r = plan_.rotations[i];
    if (!r.forward) {
      out.shard.tile[i] = nullptr;
      continue;
    }
    if (r.first == i) cut_tile(i, i == plan_.counted(), 0, out.forward_memory[i], out);
    out.shard.tile[i] = out.forward_memory[r.first].tile;
  }
}

/// From the tile of all rows, where another layer has the roles of the last one.
void TilesOnCpu::take_loss_rows(const Rotation& r, const spmm::CsrView& whole, Index rows, spmm::Csr& to) {
  to.rows = std::ssize(r.rows) * rows;
  to.cols = whole.cols;
  to.row_offsets.resize(context_, to.rows + 1);
  Index* offset = to.row_offsets.data();
  *offset = 0;
  for (std::size_t k = 0; k < r.rows.size(); ++k) {
    const Index first = static_cast<Index>(k) * selection_->block_rows, given = order_->loss_rows(r.rows[k]);
    for (Index i = 0; i < rows; ++i, ++offset) {
      const auto row = static_cast<std::size_t>(first + std::min(i, given));
      offset[1] = offset[0] + (i < given ? whole.row_offsets[row + 1] - whole.row_offsets[row] : 0);
    }
  }
  to.col_ids.resize(context_, *offset);
  to.values.resize(context_, *offset);
  for (std::size_t k = 0; k < r.rows.size(); ++k) {
    const Index first = static_cast<Index>(k) * selection_->block_rows;
    const auto begin = whole.row_offsets[static_cast<std::size_t>(first)],
               end = whole.row_offsets[static_cast<std::size_t>(first + order_->loss_rows(r.rows[k]))],
               at = to.row_offsets[static_cast<Index>(k) * rows];
    std::copy(whole.col_ids.begin() + begin, whole.col_ids.begin() + end, to.col_ids.begin() + at);
    std::copy(whole.values.begin() + begin, whole.values.begin() + end, to.values.begin() + at);
  }
}

void TilesOnCpu::cut_loss_rows(Batch& out) {
  const std::size_t rotation = plan_.loss_rotation();
  layout::LossRows& last = out.shard.loss_rows;
  last.layer = plan_.options.layers - 1;
  last.rows = plan_.padded_loss_rows(*selection_, *order_);
  if (plan_.rotations[rotation].forward) {
    take_loss_rows(plan_.rotations[rotation], out.shard.tile[rotation]->view(), last.rows,
                   csr_of(out.loss_memory));
  } else {
    cut_tile(rotation, plan_.counts_loss_tile(), last.rows, out.loss_memory, out);
  }
  if (plan_.drops_unread()) {
    spmm::Csr& tile = *out.loss_memory.csr;
    kept_.assign(static_cast<std::size_t>(tile.cols), -1);
    for (const std::int32_t column : tile.col_ids.span()) kept_[static_cast<std::size_t>(column)] = 0;
    keep_rows(kept_, out);
    for (std::int32_t& column : tile.col_ids.span()) column = kept_[static_cast<std::size_t>(column)];
    tile.cols = out.shard.block_rows;
  }
  last.tile = out.loss_memory.tile;
  last.transposed = nullptr;
  if (!plan_.options.need_backward) return;
  spmm::transpose_into(context_, last.tile->view(), scratch_, csr_of(out.loss_backward_memory));
  last.transposed = out.loss_backward_memory.tile;
}

void TilesOnCpu::transpose_tiles(Batch& out) {
  for (std::size_t i = 0; i < 3; ++i) {
    const Rotation& r = plan_.rotations[i];
    if (!r.backward) {
      out.shard.transposed[i] = nullptr;
    } else if (out.shard.symmetric && r.mirror < 3) {
      out.shard.transposed[i] = out.shard.tile[r.mirror];
    } else {
      if (r.first_backward == i) {
        spmm::transpose_into(context_, out.shard.tile[i]->view(), scratch_, csr_of(out.backward_memory[i]));
      }
      out.shard.transposed[i] = out.backward_memory[r.first_backward].tile;
    }
  }
}

}  // namespace opx::sampling
