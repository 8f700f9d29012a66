// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A sample on its way to a GPU: the builder's thread sends it, the step takes it without waiting.
#pragma once

#include <memory>
#include <vector>

#include "device/upload.hpp"
#include "train/batch_source.hpp"
#include "train/fixed_shape.hpp"

namespace opx::train {

class SampleUpload {
 public:
  /// `context` is on a GPU and outlives it.
  explicit SampleUpload(device::Context& context) : upload_(context) {}

  /// By the builder's thread: everything of `sample` but what is gathered on the GPU (features, aggregated),
  /// and its tiles; those may be built over when it returns. `shape`: tiles are padded to it, which covers
  /// them, and the sample has its rows. `tiles_there`: tiles are there already, and stay.
  void send(const Sample& sample, const FixedShape* shape = nullptr, bool tiles_there = false);
  /// By the step: the sample in memory of the GPU, in the order of the compute stream.
  [[nodiscard]] const Sample& receive();
  /// The step has put everything that reads the sample on the compute stream.
  void release() { upload_.release(); }
  /// Rows of the rank's block that the sample's rows are, in memory of the GPU.
  [[nodiscard]] std::span<const std::int32_t> local_row() const { return upload_.there(parts_.local_row); }

 private:
  friend class FixedSample;
  struct Piece {
    const layout::Tile* from = nullptr;
    Index rows = 0, cols = 0, longest = 0;
    bool at_most = false;
    device::Uploaded<Index> row_offsets;
    device::Uploaded<std::int32_t> col_ids;
    device::Uploaded<float> values, row_scale, col_scale;
  };
  struct Parts {
    device::Uploaded<Index> positions;
    device::Uploaded<float> full_sum, diagonal, weights, targets;
    device::Uploaded<std::int32_t> labels, local_row;
    device::Uploaded<std::uint8_t> use;
    device::Uploaded<tensor::deferred::RowCounts> counts;
    device::Uploaded<std::uint32_t> step;
    std::array<int, kShardTiles> piece_of{};
    std::vector<Piece> pieces;
  };
  void add_rows(const Sample& s);
  void add_tiles(const FixedShape* shape);
  void add_tile(const layout::Tile& tile);
  void add_padded_tile(const layout::Tile& tile, std::size_t place, const FixedShape& shape);
  /// What was sent, in a copy of it that begins at `place`; tiles become those of `shard`, which has the
  /// rest.
  [[nodiscard]] Sample placed(std::byte* place, layout::GraphShard& shard) const;

  device::Upload upload_;
  Parts parts_;
  layout::GraphShard shard_;
  Sample sample_;
  int generation_ = 0;  ///< of the shape
};

/// Where padded samples stand one after the other, at addresses that change with the shape alone.
class FixedSample {
 public:
  explicit FixedSample(device::Context& context) : context_(context) {}
  /// Copies what `upload` has received, in the order of the compute stream; `upload` is released.
  [[nodiscard]] const Sample& take(SampleUpload& upload);

 private:
  device::Context& context_;
  device::Buffer<std::byte> memory_;
  layout::GraphShard shard_;
  Sample sample_;
};

}  // namespace opx::train
