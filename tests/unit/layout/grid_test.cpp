// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "layout/grid.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace opx::layout {
namespace {

using Blocks = std::vector<int>;

TEST(Grid, WorkedExampleTwoByTwoByTwo) {
  const Grid g{.gx = 2, .gy = 2, .gz = 2};
  EXPECT_EQ(g.coord_of(6), (Coord{.x = 1, .y = 0, .z = 1, .d = 0}));
  // Layer 0: R = Z, K = X, C = Y. Ranks (x, y, z): 0 (0,0,0), 1 (0,1,0), 2 (1,0,0), 3 (1,1,0), 4 (0,0,1), ...
  EXPECT_EQ(column_blocks(g, roles_of(0), 0), (Blocks{0, 1, 4, 5}));  // X=0: z major, y minor
  EXPECT_EQ(column_blocks(g, roles_of(0), 1), (Blocks{2, 3, 6, 7}));
  EXPECT_EQ(row_blocks(g, roles_of(0), 0), (Blocks{0, 1, 2, 3}));  // Z=0: x major, y minor
  // Layer 1: R = Y, K = Z, C = X.
  EXPECT_EQ(column_blocks(g, roles_of(1), 0), (Blocks{0, 2, 1, 3}));  // Z=0: y major, x minor
  EXPECT_EQ(row_blocks(g, roles_of(1), 1), (Blocks{1, 3, 5, 7}));     // Y=1: z major, x minor
  // Layer 2: R = X, K = Y, C = Z.
  EXPECT_EQ(column_blocks(g, roles_of(2), 0), (Blocks{0, 4, 2, 6}));  // Y=0: x major, z minor
  EXPECT_EQ(row_blocks(g, roles_of(2), 1), (Blocks{2, 6, 3, 7}));     // X=1: y major, z minor
}

// What reference slab arithmetic gives on an uneven grid (gx, gy, gz) = (2, 3, 4), computed by nested
// enumeration: blocks with the fixed coordinate, sorted by (major, minor).
TEST(Grid, SlabOrdersEqualSortedEnumeration) {
  const Grid g{.gx = 2, .gy = 3, .gz = 4};
  for (Index layer = 0; layer < 6; ++layer) {
    const Roles roles = roles_of(layer);
    const auto expect = [&](Axis fixed, Axis major, int value) {
      Blocks blocks;
      for (int b = 0; b < g.ranks(); ++b) {
        if (g.coord_of(b)[fixed] == value) blocks.push_back(b);
      }
      std::sort(blocks.begin(), blocks.end(), [&](int a, int b) {
        const Coord ca = g.coord_of(a), cb = g.coord_of(b);
        return std::pair(ca[major], ca[roles.c]) < std::pair(cb[major], cb[roles.c]);
      });
      return blocks;
    };
    for (int k = 0; k < g.size(roles.k); ++k)
      EXPECT_EQ(column_blocks(g, roles, k), expect(roles.k, roles.r, k));
    for (int r = 0; r < g.size(roles.r); ++r) EXPECT_EQ(row_blocks(g, roles, r), expect(roles.r, roles.k, r));
  }
}

// Printed by slabs.py for Grid(2, 3, 2): col_blocks and row_blocks of the three rotations, slab 1.
TEST(Grid, SlabOrdersEqualTheExecutableSpecification) {
  const Grid g{.gx = 2, .gy = 3, .gz = 2};
  EXPECT_EQ(column_blocks(g, roles_of(0), 1), (Blocks{3, 4, 5, 9, 10, 11}));
  EXPECT_EQ(row_blocks(g, roles_of(0), 1), (Blocks{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(column_blocks(g, roles_of(1), 1), (Blocks{6, 9, 7, 10, 8, 11}));
  EXPECT_EQ(row_blocks(g, roles_of(1), 1), (Blocks{1, 4, 7, 10}));
  EXPECT_EQ(column_blocks(g, roles_of(2), 1), (Blocks{1, 7, 4, 10}));
  EXPECT_EQ(row_blocks(g, roles_of(2), 1), (Blocks{3, 9, 4, 10, 5, 11}));
}

TEST(Grid, RanksAndCoordinatesAreInverse) {
  const Grid g{.gx = 3, .gy = 2, .gz = 4, .gd = 2};
  std::set<int> seen;
  for (int r = 0; r < g.ranks(); ++r) {
    EXPECT_EQ(g.rank_of(g.coord_of(r)), r);
    seen.insert(r);
  }
  EXPECT_EQ(seen.size(), 48U);
  EXPECT_EQ(g.coord_of(1).y, 1);  // y fastest
}

TEST(Grid, EachPlaneOfRolesIsTheNextOnes) {
  for (Index l = 0; l < 5; ++l) {
    EXPECT_EQ(roles_of(l).r, roles_of(l + 1).k);
    EXPECT_EQ(roles_of(l).k, roles_of(l + 1).c);
    EXPECT_EQ(roles_of(l).c, roles_of(l + 1).r);
  }
}

TEST(Grid, ParsesAndPrints) {
  EXPECT_EQ(parse_grid("2x3x4"), (Grid{.gx = 2, .gy = 3, .gz = 4, .gd = 1}));
  EXPECT_EQ(parse_grid("1x2x1x5"), (Grid{.gx = 1, .gy = 2, .gz = 1, .gd = 5}));
  EXPECT_EQ(to_string(parse_grid("1x2x1x5")), "1x2x1x5");
  EXPECT_EQ(to_string(parse_grid("7x1x1")), "7x1x1");
  for (const char* bad :
       {"", "2", "2x2", "2x2x2x2x2", "2x0x2", "2x-1x2", "2xax2", "2x2x", "2 x2x2", "9999x9999x9999"}) {
    EXPECT_THROW((void)parse_grid(bad), base::InvalidArgument) << bad;
  }
}

TEST(Grid, TensorGridsAreAllFactorings) {
  EXPECT_EQ(tensor_grids(1).size(), 1U);
  EXPECT_EQ(tensor_grids(8).size(), 10U);
  const auto six = tensor_grids(6);
  EXPECT_EQ(six.size(), 9U);
  EXPECT_EQ(six.front(), (Grid{.gx = 1, .gy = 1, .gz = 6}));
  for (const Grid& g : six) EXPECT_EQ(g.ranks(), 6);
  EXPECT_THROW((void)tensor_grids(0), base::InvalidArgument);
}

TEST(Grid, SplitColumnsAsArraySplit) {
  EXPECT_EQ(split_columns(7, 3, 0), (Range{0, 3}));
  EXPECT_EQ(split_columns(7, 3, 1), (Range{3, 5}));
  EXPECT_EQ(split_columns(7, 3, 2), (Range{5, 7}));
  EXPECT_EQ(split_columns(1, 4, 0), (Range{0, 1}));
  EXPECT_EQ(split_columns(1, 4, 3), (Range{1, 1}));
  EXPECT_EQ(split_columns(0, 2, 1), (Range{0, 0}));
}

TEST(Grid, AggregateWordsSumToTheFormulas) {
  // Where the width divides by gC: n D (gC-1)/gC for each all-to-all, n D (gR-1), n D (gK-1).
  const Grid g{.gx = 2, .gy = 4, .gz = 3};
  const Index n = 5, width = 8;
  for (int r = 0; r < g.ranks(); ++r) {
    const auto w = aggregate_words(g, roles_of(0), g.coord_of(r), n, width, false);
    EXPECT_EQ(w.all_to_all_c, 2 * n * width * 3 / 4);
    EXPECT_EQ(w.gather, n * width * 2);
    EXPECT_EQ(w.reduce_scatter, n * width * 1);
    const auto b = aggregate_words(g, roles_of(0), g.coord_of(r), n, width, true);
    EXPECT_EQ(b.gather, n * width * 1);
    EXPECT_EQ(b.reduce_scatter, n * width * 2);
    EXPECT_EQ(b.total(), w.total());
  }
  // Any width: summed over the C group the all-to-alls move 2 n D (gC-1) words.
  Index sum = 0;
  for (int y = 0; y < 4; ++y) sum += aggregate_words(g, roles_of(0), {.y = y}, n, 7, false).all_to_all_c;
  EXPECT_EQ(sum, 2 * n * 7 * 3);
}

}  // namespace
}  // namespace opx::layout
