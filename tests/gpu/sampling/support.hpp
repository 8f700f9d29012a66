// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles in memory of a GPU beside those of the CPU, to the bit.
#pragma once

#include <cstring>

#include "device/transfer.hpp"
#include "sampling/batch.hpp"
#include "support/whole_shard.hpp"

namespace opx::test {

inline bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

/// The compute stream lags behind: what is put on it now runs long after what other streams are given, unless
/// they wait for it.
inline void keep_busy(device::Context& gpu) {
  device::Buffer<float> scratch(gpu, 16);
  for (int i = 0; i < 60; ++i) device::set_zero(gpu, scratch.span());
}

/// `there` is in memory of `gpu`.
inline void expect_same_csr(device::Context& gpu, const spmm::CsrView& there, const spmm::CsrView& want) {
  ASSERT_EQ(there.rows, want.rows);
  ASSERT_EQ(there.cols, want.cols);
  EXPECT_TRUE(std::ranges::equal(device::host_copy(gpu, there.row_offsets), want.row_offsets));
  EXPECT_TRUE(std::ranges::equal(device::host_copy(gpu, there.col_ids), want.col_ids));
  EXPECT_TRUE(same_bits(device::host_copy(gpu, there.values), want.values));
  EXPECT_EQ(there.longest_row, spmm::longest_row(want.row_offsets));
}

/// That of one rank with transposes and random factors, s of the rows and t of the columns (equal where A is
/// symmetric).
inline layout::GraphShard factored_shard(device::Context& context, const graph::Store& store) {
  layout::GraphShard shard = whole_shard(context, store);
  const Index n = shard.vertices;
  auto tile = std::make_shared<layout::Tile>(), back = std::make_shared<layout::Tile>();
  tile->csr = shard.tile[0]->csr;
  back->csr = std::make_shared<spmm::Csr>(spmm::transpose(context, tile->csr->view()));
  for (auto* scales : {&tile->row_scale, &tile->col_scale, &back->row_scale, &back->col_scale})
    *scales = device::Buffer<float>(context, n);
  for (Index v = 0; v < n; ++v) {
    const auto s = static_cast<float>(1.5 + uniform(51, v)),
               t = shard.symmetric ? s : static_cast<float>(1.5 + uniform(52, v));
    tile->row_scale[v] = back->col_scale[v] = s;
    tile->col_scale[v] = back->row_scale[v] = t;
  }
  shard.tile = {tile, tile, tile};
  shard.transposed = {back, back, back};
  return shard;
}

}  // namespace opx::test
