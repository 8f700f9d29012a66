// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/scheme_words.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace opx::parallel {
namespace {

using layout::Grid;

// 2x2x2, N = 8000 (n = 1000), three layers of 128: docs/algorithms.md has the same numbers.
TEST(SchemeWords, WorkedExampleTwoByTwoByTwo) {
  const SchemeModel model{.vertices = 8000, .widths = {128, 128, 128, 128}};
  const Grid grid{.gx = 2, .gy = 2, .gz = 2};
  for (int r = 0; r < 8; ++r) {
    // An aggregation: two all-to-alls of n D / 2, a gather and a reduce-scatter of n D each: 3 n D. Layers 1
    // and 2, both ways.
    EXPECT_EQ(scatter_words(model, grid, grid.coord_of(r)), 4 * 3 * 1000 * 128);
    // An all-reduce of 4000 x 64 words among 2 moves as many: 2 forward in each of 3 layers, 2 backward in
    // layers 1 and 2.
    EXPECT_EQ(allreduce_words(model, grid, grid.coord_of(r)), 10 * 4000 * 64);
    EXPECT_EQ(allreduce_loss_words(model, grid, grid.coord_of(r)), 2 * 4000);
  }
  EXPECT_EQ(gradient_words(model, 8), 2 * 3 * (128 * 128 + 128) * 7 / 8);
}

TEST(SchemeWords, OptionsOfTheFirstLayerAndTheOrder) {
  SchemeModel model{.vertices = 800, .widths = {64, 32, 16}, .cached_first_aggregation = true};
  const Grid grid{.gx = 2, .gy = 2, .gz = 2};
  const Index n = 100, per_column = 3 * n;
  EXPECT_EQ(scatter_words(model, grid, {}), 2 * 16 * per_column);
  model.cheaper_order = false;
  EXPECT_EQ(scatter_words(model, grid, {}), 2 * 32 * per_column);
  model.cached_first_aggregation = false;  // aggregate first: forward only
  EXPECT_EQ(scatter_words(model, grid, {}), (2 * 32 + 64) * per_column);
  model.cheaper_order = true;  // transform first: the weight's gradient needs the backward aggregation
  EXPECT_EQ(scatter_words(model, grid, {}), (2 * 16 + 2 * 32) * per_column);
  model.learned_features = true;
  model.cheaper_order = false;
  EXPECT_EQ(scatter_words(model, grid, {}), (2 * 32 + 2 * 64) * per_column);
  const Index all = allreduce_words(model, grid, {});
  model.allreduce_cached_first = true;
  EXPECT_EQ(all - allreduce_words(model, grid, {}), 400 * 32);
}

TEST(SchemeWords, OneRankMovesNothing) {
  const SchemeModel model{.vertices = 100, .widths = {7, 5, 3}, .cached_first_aggregation = false};
  const auto rows = compare_schemes(model, 1);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].scatter + rows[0].allreduce + rows[0].gradients, 0);
}

// design.md 4.3: the scatter scheme at its best grid moves at least 2.2 times fewer words than the rival at
// its own.
TEST(SchemeWords, ScatterBeatsAllReduceAtEachOnesBestGrid) {
  for (const int ranks : {8, 64, 512}) {
    const SchemeModel model{.vertices = 2449029, .widths = {100, 128, 128, 47}};
    const auto rows = compare_schemes(model, ranks);
    EXPECT_EQ(rows.size(), layout::tensor_grids(ranks).size());
    const double ratio =
        static_cast<double>(best_allreduce(rows).allreduce) / static_cast<double>(best_scatter(rows).scatter);
    EXPECT_GT(ratio, 2.2) << ranks;
    for (const SchemeWords& row : rows) {
      EXPECT_GE(row.scatter, best_scatter(rows).scatter);
      EXPECT_GE(row.allreduce, best_allreduce(rows).allreduce);
    }
  }
}

TEST(SchemeWords, RejectsModelsWithoutLayers) {
  EXPECT_THROW((void)compare_schemes({.vertices = 10, .widths = {4}}, 2), base::InvalidArgument);
  EXPECT_THROW((void)best_scatter({}), base::InvalidArgument);
}

}  // namespace
}  // namespace opx::parallel
