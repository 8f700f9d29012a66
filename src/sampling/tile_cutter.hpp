// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to sampling/: cuts the tile of a sub-batch out of the resident tile with the same slabs.
//
// (With a RowOrder that puts the rows of the loss first neither rises, which nothing relies on.)
//
// Worked example, two blocks a slab, n = 4 padded rows a block in the graph, 2 in the sub-batch; block 0
// gives its vertex 3, block 1 its vertices 0 and 2. Slab indices 3 | 4, 6 become 0 | 2, 3; row 1 is padding.
// So compact indices rise with slab indices, and columns that rise in the resident row do so in the cut one.
#pragma once

#include <span>
#include <vector>

#include "device/context.hpp"
#include "layout/graph_shard.hpp"
#include "sampling/column_set.hpp"
#include "sampling/row_order.hpp"
#include "sampling/sampler.hpp"
#include "spmm/csr.hpp"

namespace opx::sampling {

struct CutCounts {
  Index nnz = 0;
  Index off_diagonal = 0;
  Index rows_without_neighbours = 0;  ///< sampled rows without an entry off the diagonal
};

struct CutOptions {
  Estimator estimator = Estimator::kUnbiased;
  /// Block whose diagonal entries are asked for (it is in both slabs), and where they go, one for each of its
  /// sampled rows; 0 where there is none.
  int own_block = -1;
  std::span<float> diagonal{};
  /// Rows of vertices in their blocks; null: rising positions.
  const RowOrder* order = nullptr;
  /// Cuts the rows of the loss alone, padded to so many a block (at least RowOrder::loss_rows of each of the
  /// row blocks); 0: all rows.
  Index loss_rows = 0;
};

class TileCutter {
 public:
  /// For tiles of up to `columns` columns of blocks of the graph `full`, which must outlive it.
  TileCutter(device::Context& context, const layout::GraphShard& full, Index columns);

  /// `tile` of the full graph, with its slabs' blocks in slab order, cut down to `selection`. Values:
  /// ((s_v t_u) a_vu) times the factor of (v, u), in this order: a symmetric A gives equal bits to both.
  /// O(sum of the degrees of the sampled rows in the tile + sampled rows + sampled columns); keeps the memory
  /// of `to`.
  CutCounts cut(const layout::Tile& tile, std::span<const int> row_blocks, std::span<const int> col_blocks,
                const Selection& selection, const CutOptions& options, spmm::Csr& to);

 private:
  /// A sampled row: where it is read, where it goes, the number of its diagonal entry's column among the
  /// sampled ones (-1: on another rank).
  struct Row {
    std::int32_t from, to, diagonal, stratum;
    float scale;
  };
  /// A sampled column: index in the sub-batch, and what its entries are multiplied with.
  struct Column {
    std::int32_t to, stratum;
    float scale, same, other;
  };
  /// What one thread cuts from consecutive rows; the first one writes where the tile is to be.
  struct Part {
    device::Buffer<std::int32_t> own_col_ids;
    device::Buffer<float> own_values;
    device::Buffer<std::int32_t>* col_ids = nullptr;
    device::Buffer<float>* values = nullptr;
    std::vector<std::int32_t> found;
    CutCounts counts;
  };

  [[nodiscard]] Index block_begin(int block) const noexcept;
  void gather_columns(const layout::Tile& tile, std::span<const int> blocks, const Selection& selection,
                      const CutOptions& options);
  void gather_rows(const layout::Tile& tile, std::span<const int> row_blocks, std::span<const int> col_blocks,
                   const Selection& selection, const CutOptions& options);
  void cut_rows(const spmm::CsrView& from, Range rows, const CutOptions& options, Part& part, Index* counts);
  /// First the numbers of the columns that are in (and their entries' values), then what becomes of them:
  /// two passes, so that the second knows early what it will read.
  template <bool kWeighted>
  void find_entries(const spmm::CsrView& from, Range rows, Part& part, Index* counts) const;
  template <bool kWeighted>
  void weigh_entries(Range rows, const CutOptions& options, Part& part, const Index* counts) const;
  CutCounts join(spmm::Csr& to);

  device::Context& context_;
  const layout::GraphShard& full_;
  ColumnSet set_;
  std::vector<Row> rows_;
  std::vector<Column> columns_;
  std::vector<Part> parts_;
  Range own_rows_;  ///< of rows_
};

}  // namespace opx::sampling
