// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to sampling/: the tiles of a rank's sub-batches cut by the CPU, out of resident tiles in its
// memory.
#pragma once

#include <cstdint>
#include <vector>

#include "sampling/batch_plan.hpp"
#include "sampling/row_order.hpp"
#include "sampling/tile_cutter.hpp"
#include "spmm/csr.hpp"

namespace opx::sampling {

class TilesOnCpu {
 public:
  /// `full` and `plan` must outlive it.
  TilesOnCpu(device::Context& context, const layout::GraphShard& full, const BatchPlan& plan);

  /// Tiles, transposes, counts and the diagonal of `out`, whose own rows are set and whose shard says whether
  /// it is symmetric; with drop_unread also fewer own rows.
  void build(const Selection& selection, const RowOrder& order, Batch& out);

 private:
  void cut_tile(std::size_t rotation, bool counted, Index loss_rows, Batch::TileMemory& memory, Batch& out);
  void cut_tiles(Batch& out);
  void cut_loss_rows(Batch& out);
  void take_loss_rows(const Rotation& r, const spmm::CsrView& whole, Index rows, spmm::Csr& to);
  void transpose_tiles(Batch& out);

  device::Context& context_;
  const layout::GraphShard& full_;
  const BatchPlan& plan_;
  TileCutter cutter_;
  const Selection* selection_ = nullptr;  ///< of the build under way
  const RowOrder* order_ = nullptr;
  std::vector<std::int32_t> kept_;
  spmm::TransposeScratch scratch_;
};

}  // namespace opx::sampling
