// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Between dense whole-graph matrices and the own rows of one rank, for tests.
#pragma once

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "layout/graph_shard.hpp"
#include "support/memory_store.hpp"
#include "tensor/matrix.hpp"

namespace opx::test {

/// This rank's rows of x; padded rows hold NaN, which nothing may read.
inline tensor::Matrix<float> own_rows(device::Context& context, const layout::GraphShard& shard,
                                      const Dense& x) {
  tensor::Matrix<float> own(context, shard.block_rows, x.cols);
  for (Index i = 0; i < own.rows(); ++i) {
    for (Index j = 0; j < x.cols; ++j) {
      own(i, j) = i < shard.own.size() ? static_cast<float>(x(shard.own.begin + i, j))
                                       : std::numeric_limits<float>::quiet_NaN();
    }
  }
  return own;
}

/// Own rows equal those of `expected` within `tolerance` (absolute), padded rows are 0.
inline void expect_own_rows(const layout::GraphShard& shard, const tensor::Matrix<float>& own,
                            const Dense& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(own.rows(), shard.block_rows) << what;
  double worst = 0;
  for (Index i = 0; i < own.rows(); ++i) {
    for (Index j = 0; j < own.cols(); ++j) {
      const double want = i < shard.own.size() ? expected(shard.own.begin + i, j) : 0.0;
      const double error = std::abs(own(i, j) - want);
      worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(worst, error);
    }
  }
  EXPECT_LE(worst, tolerance) << what;
}

}  // namespace opx::test
