// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Constant input of a model on a GPU that stays in page-locked memory of the host (ModelSpec::host_input).
#pragma once

#include <array>

#include "device/gpu/device.hpp"
#include "device/pinned.hpp"
#include "model/workspace.hpp"
#include "parallel/aggregate.hpp"
#include "tensor/matrix.hpp"

namespace opx::model {

/// A contiguous matrix of page-locked memory.
class HostMatrix {
 public:
  HostMatrix() = default;
  HostMatrix(device::Context& context, Index rows, Index cols)
      : memory_(context, rows * cols), rows_(rows), cols_(cols) {}
  [[nodiscard]] tensor::MatrixView<float> view() noexcept { return {memory_.data(), rows_, cols_, cols_}; }

 private:
  device::PinnedBuffer<float> memory_;
  Index rows_ = 0, cols_ = 0;
};

/// A copy of `from`, any memory of the host.
[[nodiscard]] HostMatrix host_matrix(device::Context& context, tensor::MatrixView<const float> from);

/// A X of layer 0 for an X in the host's memory: kAggregatedColumns columns at a time go to the GPU, are
/// aggregated there and come back. Every column is summed as it is in one call, so the bits are the same.
/// Collective as Aggregator::forward.
inline constexpr Index kAggregatedColumns = 64;
[[nodiscard]] HostMatrix host_aggregation(device::Context& context, parallel::Aggregator& aggregator,
                                          tensor::MatrixView<const float> x);

/// Rows of a page-locked matrix in panels, each copied on the copy stream while the compute stream works on
/// the one before: two panels of GPU memory.
class PanelStream {
 public:
  /// Panels of `rows` rows; the last one may have fewer.
  PanelStream(device::Context& context, Workspace& workspace, tensor::MatrixView<const float> from,
              Index rows);
  PanelStream(const PanelStream&) = delete;
  PanelStream& operator=(const PanelStream&) = delete;
  ~PanelStream();

  /// Panel `k` (0, 1, 2, ... in turn), contiguous, for work that is put on the compute stream before the next
  /// call.
  [[nodiscard]] tensor::MatrixView<const float> panel(Index k);

 private:
  [[nodiscard]] tensor::MatrixView<float> slot(Index k);
  void fetch(Index k);
  device::gpu::Device& gpu_;
  tensor::MatrixView<const float> from_;
  Index rows_;
  std::array<Array, 2> slots_;
  std::array<device::gpu::Event, 2> ready_;
};

}  // namespace opx::model
