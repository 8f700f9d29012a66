// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What one rank holds of the graph: its own block of vertices and its tiles of A, one for each of the three
// role rotations (shared where they coincide), with the transposes for the backward pass. Full batch and
// mini-batch use the same type: a full batch is the batch that holds all vertices.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "device/buffer.hpp"
#include "layout/grid.hpp"
#include "spmm/csr.hpp"
#include "spmm/multiply.hpp"

namespace opx::layout {

/// A tile and the factors of its normalisation: diag(row_scale) csr diag(col_scale), either empty for ones.
/// Rows and columns are in slab order, blocks padded to `block_rows` each (padded rows are empty). The sparse
/// part may be shared: by tiles that coincide, and by a tile and its transpose where the pattern is
/// symmetric.
struct Tile {
  std::shared_ptr<const spmm::Csr> csr;
  device::Buffer<float> row_scale, col_scale;
  [[nodiscard]] spmm::CsrView view() const noexcept { return csr->view(); }
  [[nodiscard]] spmm::MultiplyOptions factors() const noexcept {
    return {.row_scale = row_scale.span(), .col_scale = col_scale.span()};
  }
};

/// The rows of the last layer that a loss reads, where its others are not computed: the first `rows` rows of
/// every block of a row slab (their number may differ from slab to slab), cut as a tile of their own.
struct LossRows {
  Index layer = -1;  ///< the last layer; -1: all layers give all rows
  Index rows = 0;    ///< at least one
  std::shared_ptr<const Tile> tile, transposed;
};

struct GraphShard {
  Grid grid;
  Coord coord;
  Index vertices = 0;      ///< N, of the whole graph (or batch)
  Index block_rows = 0;    ///< n, the padded length of every block
  Range own;               ///< positions of this rank's block; own.size() <= block_rows
  bool symmetric = false;  ///< A == A^T (values and factors)
  /// By layer mod 3; objects that are equal are shared. Null where no layer needs it
  /// (parallel::ShardOptions).
  std::array<std::shared_ptr<const Tile>, 3> tile, transposed;
  LossRows loss_rows;  ///< of a batch

  /// Rows of this rank that layer `layer` gives; it takes block_rows.
  [[nodiscard]] Index rows_given(Index layer) const noexcept {
    return layer == loss_rows.layer ? loss_rows.rows : block_rows;
  }
  [[nodiscard]] const Tile& forward(Index layer) const { return *tile[static_cast<std::size_t>(layer % 3)]; }
  [[nodiscard]] const Tile& backward(Index layer) const {
    return *transposed[static_cast<std::size_t>(layer % 3)];
  }
};

}  // namespace opx::layout
