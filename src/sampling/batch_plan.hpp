// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to sampling/: which tiles a rank's sub-batches have. Arithmetic of the grid alone.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "layout/graph_shard.hpp"
#include "sampling/batch.hpp"
#include "sampling/row_order.hpp"
#include "sampling/sampler.hpp"
#include "sampling/tile_cutter.hpp"

namespace opx::sampling {

/// One of the three role rotations on this rank.
struct Rotation {
  std::vector<int> rows, cols;     ///< blocks of the slabs, in slab order
  bool forward = false;            ///< a layer aggregates with it and gives all rows
  bool backward = false;           ///< and backward
  std::size_t first = 0;           ///< the lowest rotation with the same slabs: the tile is that one's
  std::size_t first_backward = 0;  ///< the same among those that go backward
  std::size_t mirror = 3;          ///< a rotation with rows and columns exchanged that goes forward, or 3
};

struct BatchPlan {
  BatchPlan(const layout::GraphShard& full, const BatchOptions& options);

  BatchOptions options;
  std::array<Rotation, 3> rotations;
  int own_block = 0;
  bool symmetric = false;  ///< the graph
  bool one_rank = false;   ///< holds all of it
  Index most_columns = 0;  ///< of a tile or a transpose

  /// Whether a layer from the first one on that is aggregated has the roles of rotation i.
  [[nodiscard]] bool needs(std::size_t i) const;
  /// Blocks of the slabs of all rotations in use, and the own one. Rising.
  [[nodiscard]] std::vector<int> blocks() const;
  /// The rotation of the last layer, which loss_rows is about.
  [[nodiscard]] std::size_t loss_rotation() const {
    return static_cast<std::size_t>((options.layers - 1) % 3);
  }
  /// Whether the tile of the rows of the loss is the first that is aggregated with: the one that is counted.
  [[nodiscard]] bool counts_loss_tile() const {
    return options.loss_rows && options.first_layer == options.layers - 1;
  }
  /// The rotation whose tile is counted, where that is one of all rows.
  [[nodiscard]] std::size_t counted() const {
    return rotations[static_cast<std::size_t>(options.first_layer % 3)].first;
  }
  [[nodiscard]] bool drops_unread() const { return options.drop_unread && counts_loss_tile() && one_rank; }
  /// Of a block, in the tile of the rows of the loss. The ranks that exchange rows of the last layer's result
  /// share a row slab, so the padding is the slab's.
  [[nodiscard]] Index padded_loss_rows(const Selection& selection, const RowOrder& order) const;
  /// Whether what this rank holds of a sub-batch equals its transpose.
  [[nodiscard]] bool symmetric_in(const Selection& selection) const;
};

[[nodiscard]] spmm::Csr& csr_of(Batch::TileMemory& memory);
void set_counts(const CutCounts& counts, Batch& out);
/// drop_unread: `kept` says of each row of the one block whether it is read (not negative); the padded rows
/// of the loss stay too. It becomes the row that each one is now, or -1, and the rows of `out` go with it.
void keep_rows(std::span<std::int32_t> kept, Batch& out);

}  // namespace opx::sampling
