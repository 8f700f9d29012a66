// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The induced subgraph of a sub-batch, cut by each rank from its resident tiles in time O(sum of the degrees
// of the sampled rows in the tile + sampled vertices of its slabs), nothing of size N a step, no
// communication (after ScaleGNN, Algorithm 2; design.md 4.5). By the CPU, or on a GPU that holds the resident
// tiles.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/timer.hpp"
#include "device/buffer.hpp"
#include "device/context.hpp"
#include "device/gpu/device.hpp"
#include "layout/graph_shard.hpp"
#include "sampling/sampler.hpp"

namespace opx::sampling {

/// One sub-batch as this rank holds it. `shard` is of the same type as the full graph's: block_rows padded
/// rows a block, tiles with values (normalised and over the probabilities of the estimator), transposes where
/// asked for. Row i < rows() of the own block is the vertex at position positions[i]. With
/// BatchOptions::loss_rows rows [0, loss_rows) of the own block are the training vertices, and the last layer
/// has a tile of its own (GraphShard::loss_rows), of these rows of the blocks of its row slab.
struct Batch {
  Index epoch = 0, index = 0;
  /// vertices: of the whole sub-batch; own: [0, rows()), rows of the own block, whose global positions are in
  /// `positions`; symmetric: what this rank holds equals its transpose.
  layout::GraphShard shard;
  Index drawn = 0;                      ///< own rows that the sampler drew: rows(), unless some are dropped
  Index loss_rows = 0;                  ///< own rows that the last layer gives
  std::vector<Index> positions;         ///< own rows: global positions, rising (loss rows, then the others)
  std::vector<std::int32_t> local_row;  ///< own rows: row in the full shard's own block
  std::vector<float> weight;            ///< own rows: weight in the loss
  std::vector<float> diagonal;          ///< own rows: a_vv of the full A (0 where none)
  Index nnz = 0;                        ///< entries of this rank's first tile, diagonal included
  Index sampled_degree = 0;             ///< of these off the diagonal
  Index rows_without_neighbours = 0;    ///< rows of the first tile without an entry off the diagonal
  double build_seconds = 0;             ///< wall-clock time of build()
  [[nodiscard]] Index rows() const noexcept { return static_cast<Index>(positions.size()); }
  /// Own rows that a layer gives.
  [[nodiscard]] Index rows_given(Index layer) const noexcept {
    return layer == shard.loss_rows.layer ? loss_rows : rows();
  }

  /// The builder's: memory behind the tiles of `shard`, which the next build into this Batch writes over.
  struct TileMemory {
    std::shared_ptr<spmm::Csr> csr;
    std::shared_ptr<layout::Tile> tile;
  };
  std::array<TileMemory, 3> forward_memory, backward_memory;
  TileMemory loss_memory, loss_backward_memory;
  /// Tiles in memory of a GPU: where their last readers are in the order of their stream (release()). The
  /// next build into this Batch writes after that.
  std::shared_ptr<device::gpu::Event> released;
};

/// Of a batch in memory of the GPU of `context`: what is on the compute stream now is the last that reads it.
/// On the CPU nothing.
void release(device::Context& context, Batch& batch);

struct BatchOptions {
  Index layers = 3;                ///< of the model: tiles that no layer needs stay null
  Index first_layer = 0;           ///< the lowest layer that is aggregated in a batch; its tile is the first
  Index first_backward_layer = 0;  ///< the lowest layer that is aggregated backward
  bool need_backward = true;
  Estimator estimator = Estimator::kUnbiased;  ///< self-normalised leaves the probabilities out
  /// The last layer gives the rows of training vertices alone. Known on every rank without communication: the
  /// splits of the blocks that it looks at are read once. Needs a last layer that aggregates, above layer 0.
  bool loss_rows = false;
  /// With loss_rows: vertices that no entry of the last layer's tile refers to, and that are not in the loss,
  /// are dropped from the batch. Done where a rank sees all rows that read a vertex and no layer below the
  /// last one aggregates: on one tensor rank, first_layer == layers - 1. Changes what batch norm sees.
  bool drop_unread = false;
  /// Blocks are padded to the most rows that any sub-batch has, so that all sub-batches have as many.
  bool equal_rows = false;
};

class BatchBuilder {
 public:
  /// `full` (this rank's shard of the whole graph: forward tiles only are needed) and `sampler` must outlive
  /// it. `store` is compared with `full`, and with loss_rows its splits are read. The diagonal of the own
  /// rows comes out of the first tile, which has the own block in both slabs (every rotation's has): nothing
  /// is asked of other ranks.
  ///
  /// `context` on a GPU: `full` is in its memory, and so are the tiles that are built, by kernels on the
  /// stream for sampling; everything else of a Batch is host memory. They are the CPU's to the bit, but for
  /// transposes of tiles of all rows with loss_rows: the entries of their rows come in the order of the
  /// resident transpose, so that sums over them are rounded otherwise. For tiles that go backward `full`
  /// needs transposes, or to be symmetric with the tile of exchanged slabs on this rank: InvalidArgument
  /// where it has neither. NotCompiled without a GPU runtime.
  BatchBuilder(device::Context& context, const layout::GraphShard& full, const graph::Store& store,
               Sampler& sampler, const BatchOptions& options);
  ~BatchBuilder();
  BatchBuilder(const BatchBuilder&) = delete;
  BatchBuilder& operator=(const BatchBuilder&) = delete;

  /// Builds the sub-batch into `out`, reusing its memory: no allocation after the first few sub-batches. Runs
  /// on the calling thread and the threads of `context`. On a GPU `out` was given back by release() before,
  /// and its tiles are complete on return, for any stream: the calling thread waits for its stream, none that
  /// computes does.
  void build(Index epoch, Index index, Batch& out);
  /// On a GPU: tiles that were made again so far, as they had more entries than there was memory for.
  [[nodiscard]] Index made_again() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace opx::sampling
