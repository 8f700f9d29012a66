// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/tiles_on_gpu.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace opx::sampling {

TilesOnGpu::TilesOnGpu(device::Context& context, const layout::GraphShard& full, const BatchPlan& plan,
                       Index most_block_rows)
    : full_(full),
      plan_(plan),
      cutter_(context, full, {.columns = plan.most_columns, .most_block_rows = most_block_rows}) {
  require_transposes();
}

const layout::Tile* TilesOnGpu::resident_transpose(std::size_t rotation) const {
  if (full_.transposed[rotation]) return full_.transposed[rotation].get();
  if (!full_.symmetric) return nullptr;
  const Rotation& r = plan_.rotations[rotation];
  for (std::size_t i = 0; i < 3; ++i) {
    const Rotation& other = plan_.rotations[i];
    if (full_.tile[i] && other.rows == r.cols && other.cols == r.rows) return full_.tile[i].get();
  }
  return nullptr;
}

void TilesOnGpu::require_transposes() const {
  const bool loss = plan_.options.loss_rows && plan_.options.need_backward;
  for (std::size_t i = 0; i < 3; ++i) {
    const bool needed = plan_.rotations[i].backward || (loss && i == plan_.loss_rotation());
    OPX_REQUIRE(!needed || resident_transpose(i) != nullptr, InvalidArgument,
                "batches cut on a GPU need the transpose of tile {}, which the resident shard was loaded "
                "without",
                i);
  }
}

void TilesOnGpu::build(const Selection& selection, const RowOrder& order, Batch& out) {
  try {
    cutter_.begin(selection, out.released.get(), &order);
    int counted = cut_forward(out);
    if (plan_.options.loss_rows) counted = std::max(counted, cut_loss_rows(selection, order, out));
    cut_backward(out);
    cutter_.finish();
    if (counted >= 0) set_counts(cutter_.counts(counted), out);
    std::ranges::copy(cutter_.diagonal(), out.diagonal.begin());
    if (plan_.drops_unread()) drop_unread(out);
  } catch (...) {
    cutter_.abandon();
    throw;
  }
}

int TilesOnGpu::cut(std::size_t rotation, bool counted, Index loss_rows, Batch::TileMemory& memory) {
  const Rotation& r = plan_.rotations[rotation];
  return cutter_.cut({.tile = *full_.tile[rotation],
                      .row_blocks = r.rows,
                      .col_blocks = r.cols,
                      .estimator = plan_.options.estimator,
                      .loss_rows = loss_rows,
                      .own_block = counted ? plan_.own_block : -1},
                     csr_of(memory));
}

void TilesOnGpu::cut_transpose(std::size_t rotation, Index loss_rows, Batch::TileMemory& memory) {
  const Rotation& r = plan_.rotations[rotation];
  cutter_.cut({.tile = *resident_transpose(rotation),
               .row_blocks = r.cols,
               .col_blocks = r.rows,
               .estimator = plan_.options.estimator,
               .transposed = true,
               .loss_rows = loss_rows},
              csr_of(memory));
}

/// The number of the counted cut, or -1.
int TilesOnGpu::cut_forward(Batch& out) {
  int counted = -1;
  for (std::size_t i = 0; i < 3; ++i) {
    const Rotation& r = plan_.rotations[i];
    out.shard.tile[i] = nullptr;
    if (!r.forward) continue;
    if (r.first == i) {
      const int number = cut(i, i == plan_.counted(), 0, out.forward_memory[i]);
      if (i == plan_.counted()) counted = number;
    }
    out.shard.tile[i] = out.forward_memory[r.first].tile;
  }
  return counted;
}

int TilesOnGpu::cut_loss_rows(const Selection& selection, const RowOrder& order, Batch& out) {
  const std::size_t rotation = plan_.loss_rotation();
  layout::LossRows& last = out.shard.loss_rows;
  last.layer = plan_.options.layers - 1;
  last.rows = plan_.padded_loss_rows(selection, order);
  const bool counted = plan_.counts_loss_tile();
  const int number = cut(rotation, counted, last.rows, out.loss_memory);
  last.tile = out.loss_memory.tile;
  if (plan_.options.need_backward) {
    cut_transpose(rotation, last.rows, out.loss_backward_memory);
    last.transposed = out.loss_backward_memory.tile;
  }
  return counted ? number : -1;
}

void TilesOnGpu::cut_backward(Batch& out) {
  for (std::size_t i = 0; i < 3; ++i) {
    const Rotation& r = plan_.rotations[i];
    out.shard.transposed[i] = nullptr;
    if (!r.backward) continue;
    if (out.shard.symmetric && r.mirror < 3) {
      out.shard.transposed[i] = out.shard.tile[r.mirror];
      continue;
    }
    if (r.first_backward == i) cut_transpose(i, 0, out.backward_memory[i]);
    out.shard.transposed[i] = out.backward_memory[r.first_backward].tile;
  }
}

void TilesOnGpu::drop_unread(Batch& out) {
  spmm::Csr& tile = *out.loss_memory.csr;
  const std::span<std::int32_t> kept = cutter_.read_columns(tile);
  keep_rows(kept, out);
  cutter_.renumber_columns(kept, out.shard.block_rows, tile,
                           out.shard.loss_rows.transposed ? out.loss_backward_memory.csr.get() : nullptr);
}

}  // namespace opx::sampling
