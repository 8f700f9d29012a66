// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "layout/placement.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace opx::layout {
namespace {

std::vector<std::int32_t> hub_degrees(Index n) {
  std::vector<std::int32_t> d;
  for (Index i = 0; i < n; ++i)
    d.push_back(static_cast<std::int32_t>(1000000 / (1 + (i * 7919) % std::max<Index>(n, 1))));
  return d;
}

TEST(Placement, BlocksHoldExactlyTheirShareUnderEveryDeal) {
  for (const Index n : {0, 1, 2, 7, 64, 1009})
    for (const Index blocks : {1, 2, 3, 8, 12, 64})
      for (const Deal deal : {Deal::kRandom, Deal::kDegree, Deal::kContiguous}) {
        const auto degrees = hub_degrees(n);
        const auto block_of = deal_vertices(deal, n, blocks, 3, degrees);
        std::vector<Index> count(static_cast<std::size_t>(blocks), 0);
        for (const auto b : block_of) ++count.at(static_cast<std::size_t>(b));
        for (Index b = 0; b < blocks; ++b)
          EXPECT_EQ(count[static_cast<std::size_t>(b)], even_range(n, blocks, b).size());
        const auto original = positions_from_deal(block_of, blocks, {});
        EXPECT_EQ(std::set<Index>(original.begin(), original.end()).size(), static_cast<std::size_t>(n));
        for (Index b = 0; b < blocks; ++b) {
          const Range r = even_range(n, blocks, b);
          EXPECT_TRUE(std::is_sorted(original.begin() + r.begin, original.begin() + r.end));
          for (Index p = r.begin; p < r.end; ++p)
            EXPECT_EQ(block_of[static_cast<std::size_t>(original[static_cast<std::size_t>(p)])], b);
        }
      }
}

TEST(Placement, DealsDependOnTheSeedAlone) {
  const auto degrees = hub_degrees(500);
  for (const Deal deal : {Deal::kRandom, Deal::kDegree}) {
    EXPECT_EQ(deal_vertices(deal, 500, 16, 1, degrees), deal_vertices(deal, 500, 16, 1, degrees));
    std::set<std::vector<std::int32_t>> deals;
    for (std::uint64_t seed = 0; seed < 5; ++seed) deals.insert(deal_vertices(deal, 500, 16, seed, degrees));
    EXPECT_GT(deals.size(), 2U);
  }
}

// The snake runs at every power of two: the first P vertices by degree go to P different blocks of every
// grid, and so do the next P, and the two sums are evener than the first.
TEST(Placement, DegreeDealSpreadsHubsOverEveryGrid) {
  constexpr Index n = 4096, blocks = 256;
  std::vector<std::int32_t> degrees(n);
  for (Index i = 0; i < n; ++i)
    degrees[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(2 * (n - i));  // falling, all different
  const auto block_of = deal_vertices(Deal::kDegree, n, blocks, 9, degrees);
  for (Index p = 2; p <= blocks; p *= 2) {
    for (Index first = 0; first < n; first += p) {
      std::set<Index> seen;
      for (Index i = first; i < first + p; ++i)
        seen.insert(block_of[static_cast<std::size_t>(i)] / (blocks / p));
      EXPECT_EQ(seen.size(), static_cast<std::size_t>(p));
    }
    std::vector<Index> load(static_cast<std::size_t>(p), 0);
    for (Index i = 0; i < n; ++i)
      load[static_cast<std::size_t>(block_of[static_cast<std::size_t>(i)] / (blocks / p))] +=
          degrees[static_cast<std::size_t>(i)];
    EXPECT_EQ(*std::max_element(load.begin(), load.end()), *std::min_element(load.begin(), load.end())) << p;
  }
}

TEST(Placement, OrderInsideABlockFollowsTheRank) {
  const std::vector<std::int32_t> block_of{1, 0, 1, 0, 1};
  EXPECT_THAT(positions_from_deal(block_of, 2, {}), ::testing::ElementsAre(1, 3, 0, 2, 4));
  EXPECT_THAT(positions_from_deal(block_of, 2, std::vector<Index>{4, 3, 2, 1, 0}),
              ::testing::ElementsAre(3, 1, 4, 2, 0));
  EXPECT_THROW((void)positions_from_deal(block_of, 2, std::vector<Index>{4, 4, 2, 1, 0}),
               base::InvalidArgument);
  EXPECT_THROW((void)positions_from_deal(block_of, 2, std::vector<Index>{0}), base::DimensionMismatch);
  EXPECT_THROW((void)positions_from_deal(block_of, 1, {}), base::InvalidArgument);
}

TEST(Placement, NamesAreParsedWithASuggestion) {
  for (const Deal d : {Deal::kRandom, Deal::kDegree, Deal::kContiguous}) EXPECT_EQ(parse_deal(name(d)), d);
  for (const Order o : {Order::kNatural, Order::kRandom, Order::kMetis, Order::kRcm})
    EXPECT_EQ(parse_order(name(o)), o);
  try {
    (void)parse_deal("degre");
    FAIL();
  } catch (const base::InvalidArgument& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("did you mean 'degree'"));
  }
  EXPECT_THROW((void)parse_order("metiss"), base::InvalidArgument);
}

TEST(Placement, DefaultVirtualBlocks) {
  EXPECT_EQ(default_virtual_blocks(0), 1);
  EXPECT_EQ(default_virtual_blocks(1023), 1);
  EXPECT_EQ(default_virtual_blocks(1024), 2);
  EXPECT_EQ(default_virtual_blocks(2708), 4);
  EXPECT_EQ(default_virtual_blocks(Index{1} << 20), 2048);
  EXPECT_EQ(default_virtual_blocks(Index{1} << 30), 4096);
}

TEST(Placement, RefusesWhatDoesNotFit) {
  EXPECT_THROW((void)deal_vertices(Deal::kRandom, 5, 0, 0, {}), base::InvalidArgument);
  EXPECT_THROW((void)deal_vertices(Deal::kDegree, 5, 2, 0, std::vector<std::int32_t>{1}),
               base::DimensionMismatch);
}

TEST(Placement, TileCounter) {
  TileCounter t({0, 0, 1}, {0, 1, 1}, 2, 2);
  EXPECT_EQ(t.max_over_mean(), 1.0);
  t.add(0, 0), t.add(0, 1), t.add(0, 2), t.add(2, 0);
  EXPECT_DOUBLE_EQ(t.max_over_mean(), 2.0);  // 1 2 / 1 0
  EXPECT_THROW(TileCounter({0, 2}, {0, 0}, 2, 2), base::InvalidArgument);
}

}  // namespace
}  // namespace opx::layout
