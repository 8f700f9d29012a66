// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What holds for every sampler: the same sub-batch on every grid and in any order of draws, every vertex once
// an epoch where that is promised, whole batches at ratio 1, clear errors.
#include "sampling/sampler.hpp"

#include <cmath>
#include <limits>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "unit/sampling/support.hpp"

namespace opx::sampling {
namespace {

using test::hub_store;
using test::whole;

constexpr Index kVertices = 515;

class EverySampler : public ::testing::TestWithParam<Kind> {
 protected:
  [[nodiscard]] SamplerOptions options(double ratio) const {
    return {.kind = GetParam(), .ratio = ratio, .seed = 7, .presamples = 5};
  }
};

void expect_equal(const Selection& a, const Selection& b) {
  EXPECT_EQ(a.vertices, b.vertices);
  EXPECT_EQ(a.block_rows, b.block_rows);
  EXPECT_EQ(a.offsets, b.offsets);
  EXPECT_EQ(a.position, b.position);
  EXPECT_EQ(a.stratum, b.stratum);
  EXPECT_EQ(a.same, b.same);
  EXPECT_EQ(a.other, b.other);
  EXPECT_EQ(a.weight, b.weight);
}

TEST_P(EverySampler, SelectionIsWellFormed) {
  const auto store = hub_store(kVertices, 8);
  const auto sampler = whole(store, options(0.25));
  Selection s;
  for (Index i = 0; i < 2 * sampler->batches(); ++i) {
    sampler->draw(i / sampler->batches(), i % sampler->batches(), s);
    const std::size_t n = s.position.size();
    ASSERT_EQ(static_cast<Index>(n), s.vertices);
    ASSERT_EQ(s.offsets, (std::vector<Index>{0, s.vertices}));
    EXPECT_GT(s.vertices, kVertices / 8);
    EXPECT_LT(s.vertices, kVertices / 2);
    EXPECT_LE(s.vertices, s.block_rows);
    EXPECT_LE(s.block_rows, sampler->most_block_rows());
    ASSERT_EQ(s.stratum.size(), n);
    ASSERT_EQ(s.same.size(), n);
    ASSERT_EQ(s.other.size(), n);
    ASSERT_EQ(s.weight.size(), n);
    for (std::size_t k = 1; k < n; ++k) ASSERT_LT(s.position[k - 1], s.position[k]);
    EXPECT_GE(s.position.front(), 0);
    EXPECT_LT(s.position.back(), kVertices);
  }
}

TEST_P(EverySampler, DrawsArePure) {
  const auto store = hub_store(kVertices, 8);
  const auto one = whole(store, options(0.2)), two = whole(store, options(0.2));
  Selection a, b;
  for (const auto& [epoch, index] : {std::pair<Index, Index>{3, 2}, {0, 1}, {3, 2}, {1, 0}, {0, 1}}) {
    one->draw(epoch, index, a);
    two->draw(9, 4, b);
    two->draw(epoch, index, b);
    expect_equal(a, b);
  }
  one->draw(0, 0, a), one->draw(0, 1, b);
  EXPECT_NE(a.position, b.position);
  one->draw(1, 0, b);
  EXPECT_NE(a.position, b.position);
  auto other = options(0.2);
  other.seed = 8;
  whole(store, other)->draw(0, 0, b);
  EXPECT_NE(a.position, b.position);
}

// Every rank of every grid, also those that cut virtual blocks, sees its part of the same sub-batch.
TEST_P(EverySampler, EveryGridDrawsTheSame) {
  const auto store = hub_store(kVertices, 8);
  const auto reference = whole(store, options(0.2));
  Selection want, got;
  for (const int ranks : {1, 2, 3, 4, 5, 8}) {
    for (const layout::Grid& grid : layout::tensor_grids(ranks)) {
      for (int r = 0; r < ranks; ++r) {
        const std::vector<int> blocks = blocks_of_rank(grid, grid.coord_of(r), r % 3 + 1);
        const auto sampler = make_sampler(store, grid, blocks, options(0.2));
        ASSERT_EQ(sampler->batches(), reference->batches());
        EXPECT_EQ(sampler->unbiased(), reference->unbiased());
        const auto reference_rows = make_sampler(store, grid, test::all_blocks(grid), options(0.2));
        for (const Index number : {Index{0}, Index{3}, Index{8}}) {
          const Index epoch = number / sampler->batches(), index = number % sampler->batches();
          reference->draw(epoch, index, want);
          sampler->draw(epoch, index, got);
          ASSERT_EQ(got.vertices, want.vertices) << to_string(grid) << " rank " << r;
          ASSERT_EQ(got.offsets.size(), static_cast<std::size_t>(ranks) + 1);
          std::map<std::int32_t, std::size_t> at;
          for (std::size_t k = 0; k < want.position.size(); ++k) at[want.position[k]] = k;
          for (int b = 0; b < ranks; ++b) {
            const Range range = layout::block_range(kVertices, ranks, b);
            const bool mine = std::binary_search(blocks.begin(), blocks.end(), b);
            std::vector<std::int32_t> expected;
            for (const std::int32_t p : want.position)
              if (mine && range.contains(p)) expected.push_back(p);
            ASSERT_EQ(std::vector<std::int32_t>(got.block(b).begin(), got.block(b).end()), expected);
            const auto rows =
                static_cast<Index>(std::count_if(want.position.begin(), want.position.end(),
                                                 [&](std::int32_t p) { return range.contains(p); }));
            ASSERT_LE(rows, got.block_rows);
          }
          for (std::size_t k = 0; k < got.position.size(); ++k) {
            const std::size_t w = at.at(got.position[k]);
            ASSERT_EQ(got.stratum[k], want.stratum[w]);
            ASSERT_EQ(got.same[k], want.same[w]);
            ASSERT_EQ(got.other[k], want.other[w]);
            ASSERT_EQ(got.weight[k], want.weight[w]);
          }
          ASSERT_LE(got.block_rows, sampler->most_block_rows());
          // What all ranks must agree on without asking.
          reference_rows->draw(epoch, index, want);
          ASSERT_EQ(got.block_rows, want.block_rows);
          ASSERT_EQ(sampler->most_block_rows(), reference_rows->most_block_rows());
        }
      }
    }
  }
}

TEST_P(EverySampler, RatioOneIsTheFullGraph) {
  const auto store = hub_store(kVertices, 8);
  const auto sampler = whole(store, options(1));
  ASSERT_EQ(sampler->batches(), 1);
  EXPECT_TRUE(sampler->unbiased());
  Selection s;
  for (Index epoch = 0; epoch < 3; ++epoch) {
    sampler->draw(epoch, 0, s);
    ASSERT_EQ(s.vertices, kVertices);
    for (Index p = 0; p < kVertices; ++p) {
      const auto i = static_cast<std::size_t>(p);
      ASSERT_EQ(s.position[i], p);
      ASSERT_EQ(s.same[i], 1.0F);
      ASSERT_EQ(s.other[i], 1.0F);
      ASSERT_EQ(s.weight[i], 1.0F);
    }
  }
}

TEST_P(EverySampler, RefusesRatiosAndNumbersThatMakeNoSense) {
  const auto store = hub_store(kVertices, 8);
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  for (const double ratio : {0.0, -0.1, 1.0001, kNan, std::numeric_limits<double>::infinity(), 1e-9})
    EXPECT_THROW(whole(store, options(ratio)), base::InvalidArgument) << ratio;
  const auto sampler = whole(store, options(0.25));
  Selection s;
  EXPECT_THROW(sampler->draw(0, sampler->batches(), s), base::InvalidArgument);
  EXPECT_THROW(sampler->draw(-1, 0, s), base::InvalidArgument);
  EXPECT_THROW(sampler->draw(0, -1, s), base::InvalidArgument);
  const layout::Grid grid{.gx = 2};
  EXPECT_THROW((void)make_sampler(store, grid, std::vector<int>{2}, options(0.5)), base::InvalidArgument);
  EXPECT_THROW((void)make_sampler(store, grid, std::vector<int>{1, 0}, options(0.5)), base::InvalidArgument);
  const test::MemoryStore empty(0, {});
  EXPECT_THROW((void)whole(empty, options(0.5)), base::InvalidArgument);
}

std::string label(const ::testing::TestParamInfo<Kind>& info) {
  std::string text(name(info.param));
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

INSTANTIATE_TEST_SUITE_P(All, EverySampler,
                         ::testing::Values(Kind::kStratified, Kind::kUniform, Kind::kDegree, Kind::kTrain,
                                           Kind::kCluster, Kind::kSaintWalk),
                         label);

class CoveringSampler : public EverySampler {};

TEST_P(CoveringSampler, AnEpochHasEveryVertexOnce) {
  for (const double ratio : {1.0, 0.5, 0.34, 0.1, 0.03}) {
    const auto store = hub_store(kVertices, 8);
    const auto sampler = whole(store, options(ratio));
    Selection s;
    for (Index epoch = 0; epoch < 3; ++epoch) {
      std::vector<int> seen(static_cast<std::size_t>(kVertices), 0);
      for (Index i = 0; i < sampler->batches(); ++i) {
        sampler->draw(epoch, i, s);
        for (const std::int32_t p : s.position) ++seen[static_cast<std::size_t>(p)];
      }
      for (const int n : seen) ASSERT_EQ(n, 1) << "ratio " << ratio;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CoveringSampler,
                         ::testing::Values(Kind::kStratified, Kind::kUniform, Kind::kCluster), label);

TEST(Stratified, EveryVirtualBlockGivesTheSame) {
  const auto store = hub_store(kVertices, 8);
  for (const double ratio : {0.5, 0.11, 0.06}) {
    const layout::Grid grid{.gx = 2, .gy = 2, .gz = 2};
    const auto sampler = make_sampler(store, grid, test::all_blocks(grid), {.ratio = ratio, .seed = 3});
    Selection s;
    std::set<Index> sizes, rows;
    for (Index i = 0; i < sampler->batches(); ++i) {
      sampler->draw(1, i, s);
      rows.insert(s.block_rows);
      for (int b = 0; b < 8; ++b) sizes.insert(static_cast<Index>(s.block(b).size()));
    }
    EXPECT_LE(*sizes.rbegin() - *sizes.begin(), 1);
    EXPECT_EQ(rows, std::set<Index>{*sizes.rbegin()}) << "one shape for all sub-batches";
  }
}

TEST(Stratified, FactorsAreThoseOfTheirChunk) {
  const auto store = hub_store(kVertices, 8);
  const auto sampler = whole(store, {.ratio = 0.1, .seed = 3});
  Selection s;
  for (Index i = 0; i < sampler->batches(); ++i) {
    sampler->draw(0, i, s);
    std::map<std::int32_t, Index> taken;
    for (const std::int32_t v : s.stratum) ++taken[v];
    for (std::size_t k = 0; k < s.position.size(); ++k) {
      const Index v = s.stratum[k], n = even_range(kVertices, 8, v).size();
      EXPECT_TRUE(even_range(kVertices, 8, v).contains(s.position[k]));
      const auto b = static_cast<double>(taken[s.stratum[k]]);
      EXPECT_FLOAT_EQ(s.other[k], static_cast<float>(static_cast<double>(n) / b));
      EXPECT_FLOAT_EQ(s.same[k], static_cast<float>(static_cast<double>(n - 1) / (b - 1)));
      EXPECT_EQ(s.weight[k], 1.0F);
    }
  }
}

TEST(Stratified, SaysWhatRatioWorks) {
  const auto store = hub_store(kVertices, 8);  // 64 or 65 a block
  EXPECT_EQ(whole(store, {.ratio = 1.0 / 64})->batches(), 64);
  EXPECT_FALSE(whole(store, {.ratio = 1.0 / 64})->unbiased()) << "two of one block never meet";
  EXPECT_TRUE(whole(store, {.ratio = 1.0 / 32})->unbiased());
  try {
    (void)whole(store, {.ratio = 0.01});
    FAIL();
  } catch (const base::InvalidArgument& e) {
    EXPECT_THAT(e.what(), ::testing::AllOf(::testing::HasSubstr("0.015625"), ::testing::HasSubstr("0.01 "),
                                           ::testing::HasSubstr("--virtual-blocks")));
  }
}

TEST(Degree, TakesHubsMoreOftenAndTheSameOfEveryBlock) {
  const auto store = hub_store(kVertices, 8);
  const layout::Grid grid{.gx = 8};
  const auto sampler =
      make_sampler(store, grid, test::all_blocks(grid), {.kind = Kind::kDegree, .ratio = 0.2});
  EXPECT_TRUE(sampler->unbiased());
  std::vector<int> seen(static_cast<std::size_t>(kVertices), 0);
  Selection s;
  double weights = 0;
  Index rows = 0;
  constexpr int kDraws = 400;
  for (Index i = 0; i < kDraws; ++i) {
    sampler->draw(i / 5, i % 5, s);
    for (int b = 0; b < 8; ++b) ASSERT_EQ(s.block(b).size(), 13U);  // a fifth of 64 or 65
    for (std::size_t k = 0; k < s.position.size(); ++k) {
      ++seen[static_cast<std::size_t>(s.position[k])];
      weights += static_cast<double>(s.weight[k]);
    }
    rows += s.vertices;
  }
  double hubs = 0, others = 0;
  for (Index v = 0; v < kVertices; ++v)
    (v % 50 == 0 ? hubs : others) += static_cast<double>(seen[static_cast<std::size_t>(v)]) / kDraws;
  EXPECT_GT(hubs / 11, 2 * others / (kVertices - 11));
  EXPECT_NEAR(weights / static_cast<double>(rows), 1, 0.02) << "weights are one in the mean";
}

// Seven hubs of weight sqrt(20) have a fourth of all weight: a group of two draws, so three a round and four
// rounds an epoch. 2^30 epochs, where sampled evaluation begins, are 2^32 rounds.
TEST(Degree, EpochsOfEvaluationAreNotThoseOfTraining) {
  std::vector<test::Entry> entries;
  for (Index hub = 0; hub < 7; ++hub)
    for (Index k = 0; k < 19; ++k) entries.push_back({7 + (13 * hub + k) % 93, hub});
  const auto sampler = whole(test::MemoryStore(100, entries), {.kind = Kind::kDegree, .ratio = 1.0 / 12});
  const auto hubs = [&](Index epoch) {
    std::vector<std::int32_t> positions;
    Selection s;
    for (Index i = 0; i < 12; ++i) {
      sampler->draw(epoch, i, s);
      for (std::size_t k = 0; k < s.position.size(); ++k)
        if (s.other[k] == 3.5F) positions.push_back(s.position[k]);
    }
    return positions;
  };
  EXPECT_EQ(hubs(0).size(), 24U);
  EXPECT_NE(hubs(Index{1} << 30), hubs(0));
}

// 64 or 65 a block: 1 of 64 but 2 of 65, so the blocks' shares differ by a factor of 2.
TEST(Degree, EveryVertexHasTheSamePartOfTheLoss) {
  const auto store = hub_store(kVertices, 8);
  for (const double ratio : {0.0232, 0.2, 0.7}) {
    const auto sampler = whole(store, {.kind = Kind::kDegree, .ratio = ratio});
    Selection s;
    for (Index i = 0; i < 20; ++i) {
      sampler->draw(i, 0, s);
      const double share = static_cast<double>(s.vertices) / static_cast<double>(kVertices);
      for (std::size_t k = 0; k < s.position.size(); ++k)
        ASSERT_NEAR(static_cast<double>(s.weight[k] / s.other[k]), share, 1e-6);  // weight times chance
    }
  }
}

TEST(Train, EveryTrainingVertexOnceAnEpochAndHubsAlways) {
  const auto store = hub_store(kVertices, 8);
  std::vector<graph::Split> split(static_cast<std::size_t>(kVertices));
  store.read_splits({0, kVertices}, split);
  for (const double train_share : {0.0, 0.5}) {
    const auto sampler =
        whole(store, {.kind = Kind::kTrain, .ratio = 0.1, .hub_share = 0.2, .train_share = train_share});
    EXPECT_TRUE(sampler->unbiased());
    // 111 training vertices; half of a sub-batch of 52 is 26.
    EXPECT_EQ(sampler->batches(), train_share > 0 ? ceil_div(store.info().train * 10, 257) : 10);
    std::vector<int> seen(static_cast<std::size_t>(kVertices), 0);
    Selection s;
    for (Index i = 0; i < sampler->batches(); ++i) {
      sampler->draw(4, i, s);
      EXPECT_NEAR(static_cast<double>(s.vertices), 51.5, 8);
      for (std::size_t k = 0; k < s.position.size(); ++k) {
        const auto p = static_cast<std::size_t>(s.position[k]);
        ++seen[p];
        if (split[p] == graph::Split::kTrain) {
          ASSERT_EQ(s.weight[k], 1.0F);
        }
      }
    }
    Index always = 0;
    for (std::size_t p = 0; p < seen.size(); ++p) {
      if (split[p] == graph::Split::kTrain)
        ASSERT_EQ(seen[p], 1) << p;
      else
        always += seen[p] == static_cast<int>(sampler->batches());
    }
    EXPECT_GE(always, 8) << "one hub of each virtual block at least";
  }
}

TEST(Train, RefusesWhatItCannotDo) {
  test::MemoryStore none(100, {});
  EXPECT_THROW((void)whole(none, {.kind = Kind::kTrain, .ratio = 0.5}), base::InvalidArgument);
  const auto store = hub_store(kVertices, 8);
  for (const double share : {-0.1, 1.0, std::nan("")})
    EXPECT_THROW((void)whole(store, {.kind = Kind::kTrain, .ratio = 0.5, .hub_share = share}),
                 base::InvalidArgument);
  for (const double share : {-0.1, 1.1, std::nan("")})
    EXPECT_THROW((void)whole(store, {.kind = Kind::kTrain, .ratio = 0.5, .train_share = share}),
                 base::InvalidArgument);
}

// Three training vertices among 100: two sub-batches cannot both have a pair.
TEST(Train, FewTrainingVerticesMakeFewSubBatches) {
  test::MemoryStore store(100, {{0, 1}, {1, 0}});
  std::vector<graph::Split> split(100, graph::Split::kNone);
  split[3] = split[50] = split[99] = graph::Split::kTrain;
  store.set_splits(split);
  store.set_virtual_blocks(4);
  const auto sampler = whole(store, {.kind = Kind::kTrain, .ratio = 0.2});
  EXPECT_EQ(sampler->batches(), 1);
  Selection s;
  sampler->draw(0, 0, s);
  for (const std::int32_t p : {3, 50, 99})
    EXPECT_TRUE(std::binary_search(s.position.begin(), s.position.end(), p));
  EXPECT_NEAR(static_cast<double>(s.vertices), 20, 4);
}

TEST(Cluster, TakesWholePartsAndNeedsThem) {
  const auto store = hub_store(kVertices, 8);
  const auto sampler = whole(store, {.kind = Kind::kCluster, .ratio = 0.1});
  EXPECT_TRUE(sampler->unbiased());
  std::vector<std::int32_t> part(static_cast<std::size_t>(kVertices));
  store.read_parts({0, kVertices}, part);
  std::map<std::int32_t, Index> size;
  for (const std::int32_t p : part) ++size[p];
  Selection s;
  sampler->draw(1, 3, s);
  std::map<std::int32_t, Index> taken;
  for (std::size_t k = 0; k < s.position.size(); ++k) {
    EXPECT_EQ(s.stratum[k], part[static_cast<std::size_t>(s.position[k])]);
    EXPECT_EQ(s.same[k], 1.0F);
    EXPECT_FLOAT_EQ(s.other[k], 59.0F / 5);
    ++taken[s.stratum[k]];
  }
  for (const auto& [p, n] : taken) EXPECT_EQ(n, size[p]);
  EXPECT_FALSE(whole(store, {.kind = Kind::kCluster, .ratio = 1.0 / 60})->unbiased()) << "one part alone";
  try {
    (void)whole(test::MemoryStore(100, {}), {.kind = Kind::kCluster, .ratio = 0.5});
    FAIL();
  } catch (const base::InvalidArgument& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("--parts"));
  }
}

TEST(SaintWalk, HasAboutTheSizeAskedForAndRefusesNonsense) {
  const auto store = hub_store(2000, 4);
  for (const double ratio : {0.05, 0.2}) {
    const auto sampler = whole(store, {.kind = Kind::kSaintWalk, .ratio = ratio, .presamples = 3});
    EXPECT_FALSE(sampler->unbiased());
    Selection s;
    Index sum = 0;
    for (Index i = 0; i < sampler->batches(); ++i) {
      sampler->draw(0, i, s);
      sum += s.vertices;
      for (std::size_t k = 0; k < s.position.size(); ++k) ASSERT_GE(s.other[k], 1.0F);
    }
    EXPECT_NEAR(static_cast<double>(sum), 2000, 150);
  }
  for (const int length : {0, -1, 1000})
    EXPECT_THROW((void)whole(store, {.kind = Kind::kSaintWalk, .walk_length = length}),
                 base::InvalidArgument);
  for (const Index presamples : {Index{0}, std::numeric_limits<Index>::max()})
    EXPECT_THROW((void)whole(store, {.kind = Kind::kSaintWalk, .presamples = presamples}),
                 base::InvalidArgument);
}

TEST(SaintWalk, EveryRankOfTheMachineNeedsThePattern) {
  const auto store = hub_store(2000, 4);
  try {
    (void)whole(store, {.kind = Kind::kSaintWalk, .ratio = 0.1, .presamples = 1, .ranks_here = 1 << 30});
    FAIL();
  } catch (const base::OutOfMemory& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("for each of 1073741824 ranks"));
  }
}

TEST(Names, ParseAndSuggest) {
  for (const Kind k :
       {Kind::kStratified, Kind::kUniform, Kind::kDegree, Kind::kTrain, Kind::kCluster, Kind::kSaintWalk})
    EXPECT_EQ(parse_kind(name(k)), k);
  for (const Estimator e : {Estimator::kUnbiased, Estimator::kSelfNormalised})
    EXPECT_EQ(parse_estimator(name(e)), e);
  try {
    (void)parse_kind("stratifed");
    FAIL();
  } catch (const base::InvalidArgument& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("did you mean 'stratified'?"));
  }
  EXPECT_THROW((void)parse_estimator("biased"), base::InvalidArgument);
}

// Grid 2x2x2, layer 0: rows of slab Z=z, columns of slab X=x; with three layers all but the block opposite.
TEST(BlocksOfRank, SlabsOfTheLayersAndItsOwn) {
  const layout::Grid grid{.gx = 2, .gy = 2, .gz = 2};
  EXPECT_THAT(blocks_of_rank(grid, {}, 0), ::testing::ElementsAre(0));
  EXPECT_THAT(blocks_of_rank(grid, {}, 1), ::testing::ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(blocks_of_rank(grid, {}, 3), ::testing::ElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_THAT(blocks_of_rank(grid, {.x = 1, .y = 1, .z = 1, .d = 3}, 9),
              ::testing::ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(blocks_of_rank({.gx = 1, .gy = 1, .gz = 4}, {.z = 2}, 1), ::testing::ElementsAre(0, 1, 2, 3));
}

}  // namespace
}  // namespace opx::sampling
