// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to sampling/: the tiles of a rank's sub-batches cut on a GPU, out of resident tiles in its memory.
// Transposes are cut out of resident transposes, or of the tile at the mirrored place where A is symmetric.
#pragma once

#include "sampling/batch_plan.hpp"
#include "sampling/gpu/tile_cutter.hpp"
#include "sampling/row_order.hpp"

namespace opx::sampling {

class TilesOnGpu {
 public:
  /// `context` is on a GPU and `full` in its memory; they and `plan` must outlive it. Throws InvalidArgument
  /// where the resident shard lacks a transpose.
  TilesOnGpu(device::Context& context, const layout::GraphShard& full, const BatchPlan& plan,
             Index most_block_rows);

  /// As TilesOnCpu::build(); the tiles are in memory of the GPU and complete, the rest in host memory.
  void build(const Selection& selection, const RowOrder& order, Batch& out);
  [[nodiscard]] Index made_again() const noexcept { return cutter_.made_again(); }

 private:
  [[nodiscard]] const layout::Tile* resident_transpose(std::size_t rotation) const;
  void require_transposes() const;
  int cut(std::size_t rotation, bool counted, Index loss_rows, Batch::TileMemory& memory);
  void cut_transpose(std::size_t rotation, Index loss_rows, Batch::TileMemory& memory);
  int cut_forward(Batch& out);
  int cut_loss_rows(const Selection& selection, const RowOrder& order, Batch& out);
  void cut_backward(Batch& out);
  void drop_unread(Batch& out);

  const layout::GraphShard& full_;
  const BatchPlan& plan_;
  gpu::TileCutter cutter_;
};

}  // namespace opx::sampling
