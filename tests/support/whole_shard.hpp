// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The shard of a single rank, made without parallel/, and sub-batches compared to the bit: for tests of
// sampling/, which must not need ranks.
#pragma once

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "layout/graph_shard.hpp"
#include "sampling/batch.hpp"
#include "support/fake_sampler.hpp"
#include "support/memory_store.hpp"

namespace opx::test {

/// All of A in one tile, no self loops added, not normalised.
inline layout::GraphShard whole_shard(device::Context& context, const graph::Store& store) {
  const Index n = store.info().vertices;
  const Range all{0, n};
  graph::Edges edges = store.read_edges(context, all, std::span(&all, 1));
  auto csr = std::make_shared<spmm::Csr>();
  csr->rows = csr->cols = n;
  csr->row_offsets = device::Buffer<Index>(context, n + 1);
  std::fill(csr->row_offsets.begin(), csr->row_offsets.end(), 0);
  for (const std::int32_t row : edges.row.span()) ++csr->row_offsets[row + 1];
  for (Index i = 0; i < n; ++i) csr->row_offsets[i + 1] += csr->row_offsets[i];
  csr->col_ids = std::move(edges.col);
  csr->values = std::move(edges.value);
  auto tile = std::make_shared<layout::Tile>();
  tile->csr = std::move(csr);
  return {.grid = {},
          .coord = {},
          .vertices = n,
          .block_rows = n,
          .own = all,
          .symmetric = store.info().symmetric,
          .tile = {tile, tile, tile},
          .transposed = {},
          .loss_rows = {}};
}

inline void expect_equal(const spmm::CsrView& a, const spmm::CsrView& b) {
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.cols, b.cols);
  EXPECT_TRUE(std::ranges::equal(a.row_offsets, b.row_offsets));
  EXPECT_TRUE(std::ranges::equal(a.col_ids, b.col_ids));
  EXPECT_TRUE(std::ranges::equal(a.values, b.values));
}

inline void expect_equal(const sampling::Batch& a, const sampling::Batch& b) {
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_EQ(a.index, b.index);
  EXPECT_EQ(a.positions, b.positions);
  EXPECT_EQ(a.local_row, b.local_row);
  EXPECT_EQ(a.weight, b.weight);
  EXPECT_EQ(a.diagonal, b.diagonal);
  EXPECT_EQ(a.nnz, b.nnz);
  EXPECT_EQ(a.sampled_degree, b.sampled_degree);
  EXPECT_EQ(a.rows_without_neighbours, b.rows_without_neighbours);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_EQ(a.shard.tile[i] == nullptr, b.shard.tile[i] == nullptr);
    ASSERT_EQ(a.shard.transposed[i] == nullptr, b.shard.transposed[i] == nullptr);
    if (a.shard.tile[i]) expect_equal(a.shard.tile[i]->view(), b.shard.tile[i]->view());
    if (a.shard.transposed[i]) expect_equal(a.shard.transposed[i]->view(), b.shard.transposed[i]->view());
  }
}

}  // namespace opx::test
