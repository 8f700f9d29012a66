// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A sample on its way to a GPU: the builder's thread sends it, the step takes it without waiting.
#pragma once

#include <memory>
#include <vector>

#include "device/upload.hpp"
#include "train/batch_source.hpp"

namespace opx::train {

class SampleUpload {
 public:
  /// `context` is on a GPU and outlives it.
  explicit SampleUpload(device::Context& context) : upload_(context) {}

  /// By the builder's thread: everything of `sample` but what is gathered on the GPU (features, aggregated),
  /// and its tiles; those may be built over when it returns.
  void send(const Sample& sample);
  /// By the step: the sample in memory of the GPU, in the order of the compute stream.
  [[nodiscard]] const Sample& receive();
  /// The step has put everything that reads the sample on the compute stream.
  void release() { upload_.release(); }
  /// Rows of the rank's block that the sample's rows are, in memory of the GPU.
  [[nodiscard]] std::span<const std::int32_t> local_row() const { return upload_.there(local_row_); }

 private:
  struct Piece {
    const layout::Tile* from = nullptr;
    device::Uploaded<Index> row_offsets;
    device::Uploaded<std::int32_t> col_ids;
    device::Uploaded<float> values, row_scale, col_scale;
  };
  void add_tile(const std::shared_ptr<const layout::Tile>& tile);
  [[nodiscard]] std::shared_ptr<const layout::Tile> tile_of(const Piece& piece) const;
  void make_tiles();

  device::Upload upload_;
  device::Uploaded<std::int32_t> local_row_;
  std::vector<Piece> pieces_;
  layout::GraphShard shard_;
  Sample sample_;
};

}  // namespace opx::train
