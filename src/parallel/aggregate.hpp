// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One aggregation in the scatter scheme (design.md 4.3; reference/slabs.py is its executable specification):
// own rows at full width in, own rows at full width out. All-to-all over C, all-gather over R (backward: K),
// local SpMM, reduce-scatter over K (backward: R), all-to-all over C.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "comm/communicator.hpp"
#include "device/context.hpp"
#include "layout/graph_shard.hpp"
#include "parallel/process_grid.hpp"
#include "tensor/matrix.hpp"

namespace opx::parallel {

enum class Wire : std::uint8_t { kFloat32, kBfloat16 };

/// Whether several panels are in flight together (work space of two), or run one after the other (of one).
enum class Pipeline : std::uint8_t {
  kAuto,  ///< on under MPI and NCCL; ranks as threads copy inside wait(), where nothing overlaps
  kOn,
  kOff,
};

struct AggregateOptions {
  Wire wire = Wire::kFloat32;  ///< type of features and partial sums on the wire; sums are fp32
  /// Column panels. 0: chosen by the backend and the width; one, unless the work space would pass 1 GiB or
  /// the backend overlaps. The result is the same to the bit for any number.
  int panels = 0;
  /// Batches of different sizes: work space is taken for so many rows at once. 0: as needed.
  Index most_rows = 0;
  Pipeline pipeline = Pipeline::kAuto;
};

/// Bytes of the work space of one aggregation of width `width` on `rows` own rows, on the rank with the most
/// columns: what an Aggregator keeps at most. `overlaps`: the backend is MPI or NCCL.
[[nodiscard]] std::int64_t aggregate_workspace(const layout::Grid& grid, layout::Roles roles, Index rows,
                                               Index width, bool backward, const AggregateOptions& options,
                                               bool overlaps);

/// Computes A X or A^T X for the layers of one shard, keeping its work space between calls. Every rank of the
/// tensor grid calls the same methods in the same order.
class Aggregator {
 public:
  Aggregator(device::Context& context, ProcessGrid& grid, const layout::GraphShard& shard,
             AggregateOptions options);
  ~Aggregator();
  Aggregator(const Aggregator&) = delete;
  Aggregator& operator=(const Aggregator&) = delete;

  /// Rows of x and of y in forward() of a layer; those of y and of x in backward(). They differ for the last
  /// layer of a batch that gives the rows of the loss alone (layout::LossRows).
  [[nodiscard]] Index rows_taken() const noexcept { return shard_.block_rows; }
  [[nodiscard]] Index rows_given(Index layer) const noexcept { return shard_.rows_given(layer); }

  /// y = A x with the roles of `layer`; x is rows_taken() x D and y rows_given() x D, own rows, and they do
  /// not overlap; padded rows of y become 0 (padded rows of x are ignored: no entry of A refers to them). On
  /// one rank nothing is copied. `purpose` is what the traffic counts as. Throws DimensionMismatch.
  void forward(Index layer, tensor::MatrixView<const float> x, tensor::MatrixView<float> y,
               comm::CommPurpose purpose = comm::CommPurpose::kForward);
  /// y = A^T x: the mirror. Throws InvalidArgument where the shard was loaded without transposes.
  void backward(Index layer, tensor::MatrixView<const float> x, tensor::MatrixView<float> y,
                comm::CommPurpose purpose = comm::CommPurpose::kBackward);

  /// The same for an x that is not needed any more: on one rank it is left scaled by the factors of A's
  /// columns, which is cheaper than to look one up for every entry (docs/performance-spmm.md). With several
  /// ranks x stays as it is: there what was gathered is scaled, whichever of the two is called.
  void forward_spent(Index layer, tensor::MatrixView<float> x, tensor::MatrixView<float> y,
                     comm::CommPurpose purpose = comm::CommPurpose::kForward);
  void backward_spent(Index layer, tensor::MatrixView<float> x, tensor::MatrixView<float> y,
                      comm::CommPurpose purpose = comm::CommPurpose::kBackward);

  /// Self-normalised rows (design.md 4.5): the part of A x off the diagonal is scaled to the sum of the full
  /// row, where the row lives.
  ///
  ///   forward    y = c (A x - a x) + a x,        c = full / (A 1 - a), 0 where that sum is 0
  ///   backward   y = A^T (c x) + a (1 - c) x     the transpose of the above
  ///
  /// `full` (W: off-diagonal row sums of the whole graph) and `diagonal` (a) have block_rows elements, own
  /// rows, and stay with the caller; rows that a layer does not give are not looked at. A 1 is one more
  /// column of the first forward() after this call (of its own, in fp32, where the wire is bf16): no exchange
  /// of its own. Empty spans: rows as they are, as at the start. To be called for every batch that is bound.
  void self_normalise(std::span<const float> full, std::span<const float> diagonal);
  /// out = (A 1)_v of the rows_given() own rows with the roles of `layer`, in fp32: one exchange of one
  /// column.
  void row_sums(Index layer, std::span<float> out, comm::CommPurpose purpose);
  /// *count grows by those of the first diagonal.size() own rows (at most rows_given()) that have no entry
  /// off the diagonal: row_sums, then local. `diagonal` and `count` are memory of the context.
  void add_rows_without_neighbours(Index layer, std::span<const float> diagonal, Index* count,
                                   comm::CommPurpose purpose);

 private:
  struct Workspace;
  template <class T>
  class Pass;
  /// The tile of a layer; throws InvalidArgument where it was not loaded.
  [[nodiscard]] const layout::Tile& tile_of(Index layer, bool transposed) const;
  void run_spent(Index layer, bool transposed, tensor::MatrixView<float> x, tensor::MatrixView<float> y,
                 comm::CommPurpose purpose);
  void run(Index layer, bool transposed, Wire wire, tensor::MatrixView<const float> x,
           tensor::MatrixView<float> y, comm::CommPurpose purpose);
  void forward_with_sums(Index layer, tensor::MatrixView<const float> x, tensor::MatrixView<float> y,
                         comm::CommPurpose purpose);
  device::Context& context_;
  ProcessGrid& grid_;
  const layout::GraphShard& shard_;
  AggregateOptions options_;
  std::unique_ptr<Workspace> workspace_;
  std::span<const float> full_, diagonal_;
  bool factors_known_ = false;
};

}  // namespace opx::parallel
