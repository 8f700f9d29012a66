// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One aggregation in the scatter scheme (design.md 4.3; reference/slabs.py is its executable specification):
// own rows at full width in, own rows at full width out. All-to-all over C, all-gather over R (backward: K),
// local SpMM, reduce-scatter over K (backward: R), all-to-all over C.
#pragma once

#include <cstdint>
#include <memory>

#include "comm/communicator.hpp"
#include "device/context.hpp"
#include "layout/graph_shard.hpp"
#include "parallel/process_grid.hpp"
#include "tensor/matrix.hpp"

namespace opx::parallel {

enum class Wire : std::uint8_t { kFloat32, kBfloat16 };

struct AggregateOptions {
  Wire wire = Wire::kFloat32;  ///< type of features and partial sums on the wire; sums are fp32
  int panels = 0;              ///< column panels that are pipelined; 0: chosen by the width and the backend
};

/// Computes A X or A^T X for the layers of one shard, keeping its work space between calls. Every rank of the
/// tensor grid calls the same methods in the same order.
class Aggregator {
 public:
  Aggregator(device::Context& context, ProcessGrid& grid, const layout::GraphShard& shard,
             AggregateOptions options);
  ~Aggregator();
  Aggregator(const Aggregator&) = delete;
  Aggregator& operator=(const Aggregator&) = delete;

  /// y = A x with the roles of `layer`; x and y are block_rows x D, own rows, and do not overlap; padded rows
  /// of y become 0 (padded rows of x are ignored: no entry of A refers to them). On one rank nothing is
  /// copied. `purpose` is what the traffic counts as. Throws DimensionMismatch.
  void forward(Index layer, tensor::MatrixView<const float> x, tensor::MatrixView<float> y,
               comm::CommPurpose purpose = comm::CommPurpose::kForward);
  /// y = A^T x: the mirror. Throws InvalidArgument where the shard was loaded without transposes.
  void backward(Index layer, tensor::MatrixView<const float> x, tensor::MatrixView<float> y,
                comm::CommPurpose purpose = comm::CommPurpose::kBackward);

 private:
  struct Workspace;
  template <class T>
  class Pass;
  void run(const layout::Tile* tile, layout::Axis c, layout::Axis gather, layout::Axis reduce,
           tensor::MatrixView<const float> x, tensor::MatrixView<float> y, comm::CommPurpose purpose);
  [[nodiscard]] int panels_for(Index width, const comm::Communicator& c) const noexcept;
  device::Context& context_;
  ProcessGrid& grid_;
  const layout::GraphShard& shard_;
  AggregateOptions options_;
  std::unique_ptr<Workspace> workspace_;
};

}  // namespace opx::parallel
