// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// prepare() and Store against a dense oracle: std::map of (dst, src) in original ids.
#include "graph/prepare.hpp"

#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "graph/info.hpp"
#include "graph/store.hpp"
#include "support/raw_dataset.hpp"

namespace opx::graph {
namespace {

using test::RawEdge;
using Entries = std::map<std::pair<Index, Index>, float>;

Entries oracle(const std::vector<RawEdge>& edges, bool mirror, const PrepareOptions& o) {
  Entries a;
  const auto add = [&](Index dst, Index src, float w) {
    if (dst == src && o.self_loops == SelfLoops::kDrop) return;
    const auto [at, fresh] = a.try_emplace({dst, src}, w);
    if (!fresh && o.duplicates == Duplicates::kSum) at->second += w;
  };
  for (const auto& e : edges) {
    add(e.dst, e.src, e.weight);
    if (mirror && e.dst != e.src) add(e.src, e.dst, e.weight);
  }
  return a;
}

std::vector<Index> original_ids(const Store& s) {
  std::vector<Index> ids(static_cast<std::size_t>(s.info().vertices));
  s.read_original_ids({0, s.info().vertices}, ids);
  return ids;
}

// What read_edges must give for rows x cols, in positions.
void expect_edges(device::Context& context, const Store& s, const Entries& a, Range rows,
                  const std::vector<Range>& cols) {
  const auto ids = original_ids(s);
  std::map<Index, Index> position;
  for (std::size_t p = 0; p < ids.size(); ++p) position[ids[p]] = static_cast<Index>(p);
  Entries want;
  for (const auto& [at, w] : a) {
    const Index r = position[at.first], c = position[at.second];
    if (!rows.contains(r)) continue;
    Index before = 0;
    for (const Range range : cols) {
      if (range.contains(c)) want[{r - rows.begin, before + c - range.begin}] = w;
      before += range.size();
    }
  }
  const Edges got = s.read_edges(context, rows, cols);
  ASSERT_EQ(got.row.size(), static_cast<Index>(want.size()));
  ASSERT_EQ(got.value.size(), s.info().weighted ? got.row.size() : 0);
  Index i = 0;
  for (const auto& [at, w] : want) {  // a map: sorted by (row, col), as read_edges promises
    ASSERT_EQ(got.row[i], at.first) << i;
    ASSERT_EQ(got.col[i], at.second) << i;
    if (s.info().weighted) {
      ASSERT_FLOAT_EQ(got.value[i], w);
    }
    ++i;
  }
}

void expect_store(device::Context& context, const Store& s, const Entries& a) {
  const Index n = s.info().vertices;
  const auto ids = original_ids(s);
  EXPECT_EQ(std::set<Index>(ids.begin(), ids.end()).size(), ids.size());
  EXPECT_EQ(s.info().edges, static_cast<Index>(a.size()));
  bool symmetric = true;
  std::vector<double> row(static_cast<std::size_t>(n)), col(row);
  std::set<Index> loops;
  for (const auto& [at, w] : a) {
    const auto mirror = a.find({at.second, at.first});
    symmetric &= mirror != a.end() && (!s.info().weighted || mirror->second == w);
    row[static_cast<std::size_t>(at.first)] += s.info().weighted ? w : 1;
    col[static_cast<std::size_t>(at.second)] += s.info().weighted ? w : 1;
    if (at.first == at.second) loops.insert(at.first);
  }
  EXPECT_EQ(s.info().symmetric, symmetric);
  EXPECT_EQ(s.info().self_loops, static_cast<Index>(loops.size()));
  std::vector<float> row_sums(row.size()), col_sums(row.size());
  std::vector<std::uint8_t> flags(row.size());
  s.read_degrees({0, n}, row_sums, col_sums);
  s.read_self_loops({0, n}, flags);
  for (std::size_t p = 0; p < row.size(); ++p) {
    EXPECT_FLOAT_EQ(row_sums[p], static_cast<float>(row[static_cast<std::size_t>(ids[p])]));
    EXPECT_FLOAT_EQ(col_sums[p], static_cast<float>(col[static_cast<std::size_t>(ids[p])]));
    EXPECT_EQ(flags[p], loops.count(ids[p]));
  }
  expect_edges(context, s, a, {0, n}, {{0, n}});
  for (const int parts : {2, 3, 8})
    for (int i = 0; i < parts; ++i) {
      const Range r = even_range(n, parts, i);
      expect_edges(context, s, a, r,
                   {even_range(n, parts, 0), even_range(n, parts, parts - 1 - (parts > 2))});
    }
  expect_edges(context, s, a, {n / 3, n / 3}, {{0, n}});
  expect_edges(context, s, a, {0, n}, {});
}

struct Case {
  Index vertices, edges;
  bool mirror, weighted;
  std::int64_t memory = std::int64_t{64} << 20;
  Index blocks = 0;
};

class Prepare : public ::testing::TestWithParam<Case> {};

TEST_P(Prepare, StoreEqualsTheDenseOracle) {
  const Case c = GetParam();
  const test::TemporaryFolder folder;
  device::Context context({.threads = 3});
  const auto edges = test::random_edges(c.vertices, c.edges, 1);
  for (const auto deal : {layout::Deal::kRandom, layout::Deal::kDegree, layout::Deal::kContiguous}) {
    PrepareOptions o;
    o.deal = deal, o.virtual_blocks = c.blocks, o.memory = c.memory, o.add_inverse_edge = c.mirror,
    o.seed = 5;
    auto raw = test::raw_dataset(c.vertices, edges, c.weighted);
    const PrepareReport report = prepare(context, std::move(raw), folder / "a.opx", o);
    const auto store = Store::open(folder / "a.opx");
    const Entries a = oracle(edges, c.mirror, o);
    expect_store(context, *store, a);
    EXPECT_EQ(store->info().checksum, report.checksum);
    EXPECT_EQ(report.input_edges, static_cast<Index>(edges.size()));
    Index entries = 0;
    std::set<Index> touched;
    for (const auto& e : edges) {
      entries += c.mirror && e.src != e.dst ? 2 : 1;
      touched.insert(e.src), touched.insert(e.dst);
    }
    EXPECT_EQ(report.duplicates, entries - static_cast<Index>(a.size()));
    EXPECT_EQ(report.isolated, c.vertices - static_cast<Index>(touched.size()));
    EXPECT_EQ(folder.entries(), 1U);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, Prepare,
    ::testing::Values(Case{0, 0, false, false}, Case{1, 0, false, false}, Case{1, 3, true, false},
                      Case{2, 9, false, true}, Case{13, 40, true, false},
                      Case{97, 500, false, false, 1 << 26, 16}, Case{97, 500, true, true, 1 << 26, 32},
                      Case{1009, 9000, true, false, 1 << 26, 64},
                      // budgets that force the temporary files
                      Case{509, 20000, true, false, 160000, 32}, Case{509, 20000, false, true, 200000, 32}));

TEST(Prepare, SelfLoopsMayBeDroppedAndDuplicatesSummed) {
  const test::TemporaryFolder folder;
  device::Context context({.threads = 2});
  const auto edges = test::random_edges(61, 400, 3);
  for (const bool weighted : {false, true}) {
    PrepareOptions o;
    o.self_loops = SelfLoops::kDrop, o.duplicates = Duplicates::kSum, o.add_inverse_edge = true,
    o.virtual_blocks = 16;
    auto copy = edges;
    if (!weighted)
      for (auto& e : copy) e.weight = 1;
    const auto report = prepare(context, test::raw_dataset(61, copy, weighted), folder / "a.opx", o);
    const auto store = Store::open(folder / "a.opx");
    EXPECT_TRUE(store->info().weighted);
    EXPECT_EQ(store->info().self_loops, 0);
    EXPECT_EQ(report.dropped_self_loops,
              std::count_if(edges.begin(), edges.end(), [](const RawEdge& e) { return e.src == e.dst; }));
    expect_store(context, *store, oracle(copy, true, o));
  }
}

TEST(Prepare, WhatIsWrittenDependsOnNeitherThreadsNorMemory) {
  const test::TemporaryFolder folder;
  const auto edges = test::random_edges(509, 20000, 4);
  std::set<std::string> checksums;
  for (const int threads : {1, 4})
    for (const std::int64_t memory : {std::int64_t{180000}, std::int64_t{600000}, std::int64_t{1} << 30}) {
      device::Context context({.threads = threads});
      PrepareOptions o;
      o.memory = memory, o.virtual_blocks = 32, o.add_inverse_edge = true;
      auto raw = test::raw_dataset(509, edges, true, 1000);
      std::vector<float> x(509 * 5);
      std::iota(x.begin(), x.end(), 0.0F);
      raw.features = std::make_unique<test::ListFeatures>(x, 5);
      checksums.insert(prepare(context, std::move(raw), folder / "a.opx", o).checksum);
    }
  EXPECT_EQ(checksums.size(), 1U);
}

// In files, in memory a group of row tiles at a time, in memory at once.
TEST(Prepare, UnweightedEdgesComeOutTheSameEveryWay) {
  const test::TemporaryFolder folder;
  const auto edges = test::random_edges(2003, 60000, 9);
  for (const bool mirror : {false, true}) {
    std::set<std::string> checksums;
    for (const int threads : {1, 2, 5})
      for (const std::int64_t memory : {std::int64_t{400000}, std::int64_t{1400000}, std::int64_t{1} << 27}) {
        device::Context context({.threads = threads});
        PrepareOptions o;
        o.memory = memory, o.virtual_blocks = 64, o.add_inverse_edge = mirror;
        checksums.insert(
            prepare(context, test::raw_dataset(2003, edges, false, 1000), folder / "a.opx", o).checksum);
      }
    EXPECT_EQ(checksums.size(), 1U) << mirror;
  }
}

TEST(Prepare, ReportsTheSecondsOfItsPhasesFromWhenItWasStarted) {
  const test::TemporaryFolder folder;
  device::Context context({.threads = 1});
  PrepareOptions o;
  o.started = base::now_seconds() - 100;
  const auto report =
      prepare(context, test::raw_dataset(20, test::random_edges(20, 50, 1)), folder / "a.opx", o);
  EXPECT_GE(report.seconds, 100);
  ASSERT_FALSE(report.phases.empty());
  EXPECT_EQ(report.phases.front().first, "open input");
  double sum = 0;
  for (const auto& [name, seconds] : report.phases) sum += seconds;
  EXPECT_LE(sum, report.seconds);
  EXPECT_GE(sum, 100);
}

TEST(Prepare, FeaturesLabelsSplitsAndNamesFollowTheirVertices) {
  constexpr Index n = 203, dim = 7;
  const test::TemporaryFolder folder;
  device::Context context({.threads = 2});
  for (const auto type : {FeatureType::kFloat32, FeatureType::kFloat16, FeatureType::kBfloat16})
    for (const std::int64_t memory : {std::int64_t{12000}, std::int64_t{1} << 26}) {
      auto raw = test::raw_dataset(n, test::random_edges(n, 50, 2));
      std::vector<float> x(n * dim);
      for (Index i = 0; i < n * dim; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i % 256) * 0.5F;
      raw.features = std::make_unique<test::ListFeatures>(x, dim);
      raw.labels = {.task = Task::kMultiClass, .classes = 5, .labels = {}, .targets = {}};
      raw.names = std::make_shared<std::vector<std::string>>();
      for (Index v = 0; v < n; ++v) {
        raw.labels.labels.push_back(static_cast<std::int32_t>(v % 6) - 1);
        raw.splits.push_back(static_cast<Split>(v % 4));
        raw.names->push_back(v == 3 ? "" : "v" + std::to_string(v));
      }
      PrepareOptions o;
      o.feature_type = type, o.memory = memory, o.virtual_blocks = 8;
      prepare(context, std::move(raw), folder / "a.opx", o);
      const auto store = Store::open(folder / "a.opx");
      EXPECT_EQ(store->info().train, 51);
      const auto ids = original_ids(*store);
      std::vector<float> row(dim * 100);
      std::vector<std::int32_t> labels(100);
      std::vector<Split> splits(100);
      const Range part{50, 150};
      store->read_features(part, {row.data(), 100, dim});
      store->read_labels(part, labels);
      store->read_splits(part, splits);
      for (std::size_t i = 0; i < 100; ++i) {
        const Index v = ids[50 + i];
        for (Index j = 0; j < dim; ++j)
          EXPECT_EQ(row[i * dim + static_cast<std::size_t>(j)], x[static_cast<std::size_t>(v * dim + j)]);
        EXPECT_EQ(labels[i], v % 6 - 1);
        EXPECT_EQ(splits[i], static_cast<Split>(v % 4));
      }
      const std::vector<Index> some{3, 202, 0};
      EXPECT_THAT(store->read_names(some).value(), ::testing::ElementsAre("", "v202", "v0"));
    }
}

TEST(Prepare, MultiLabelTargetsKeepNaN) {
  constexpr Index n = 31, tasks = 3;
  const test::TemporaryFolder folder;
  device::Context context({.threads = 2});
  auto raw = test::raw_dataset(n, test::random_edges(n, 50, 2));
  raw.labels = {.task = Task::kMultiLabel, .classes = tasks, .labels = {}, .targets = {}};
  for (Index i = 0; i < n * tasks; ++i)
    raw.labels.targets.push_back(i < 6 || i % 5 == 0 ? std::nanf("") : static_cast<float>(i % 2));
  const auto want = raw.labels.targets;
  PrepareOptions o;
  o.split = "0.5/0.25/0.25";
  prepare(context, std::move(raw), folder / "a.opx", o);
  const auto store = Store::open(folder / "a.opx");
  const auto ids = original_ids(*store);
  std::vector<float> got(n * tasks);
  store->read_targets({0, n}, {got.data(), n, tasks});
  for (std::size_t p = 0; p < ids.size(); ++p)
    for (std::size_t j = 0; j < tasks; ++j) {
      const float w = want[static_cast<std::size_t>(ids[p]) * tasks + j];
      EXPECT_EQ(std::isnan(got[p * tasks + j]), std::isnan(w));
      if (!std::isnan(w)) {
        EXPECT_EQ(got[p * tasks + j], w);
      }
    }
  std::vector<Split> splits(n);
  store->read_splits({0, n}, splits);
  for (std::size_t p = 0; p < ids.size(); ++p)
    EXPECT_EQ(splits[p] == Split::kNone, ids[p] < 2);  // without any target
  EXPECT_EQ(store->info().train + store->info().valid + store->info().test, n - 2);
}

TEST(Prepare, CountsVerticesWhereTheInputDoesNot) {
  const test::TemporaryFolder folder;
  device::Context context({.threads = 1});
  auto raw = test::raw_dataset(0, {{4, 2}, {0, 11}});
  raw.vertices.reset();
  EXPECT_EQ(prepare(context, std::move(raw), folder / "a.opx", {}).vertices, 12);
}

TEST(Prepare, OrdersKeepTheGraph) {
  const test::TemporaryFolder folder;
  device::Context context({.threads = 2});
  const auto edges = test::random_edges(211, 900, 8);
  for (const auto order : {layout::Order::kRandom, layout::Order::kRcm, layout::Order::kMetis}) {
    PrepareOptions o;
    o.order = order, o.virtual_blocks = 4;
    try {
      prepare(context, test::raw_dataset(211, edges), folder / "a.opx", o);
    } catch (const base::NotCompiled&) {
      continue;
    }
    const auto store = Store::open(folder / "a.opx");
    EXPECT_EQ(store->info().order, order);
    expect_store(context, *store, oracle(edges, false, o));
  }
  PrepareOptions small;
  small.order = layout::Order::kRcm, small.memory = 20000;
  EXPECT_THROW(prepare(context, test::raw_dataset(211, edges), folder / "b.opx", small), base::ResourceError);
  EXPECT_EQ(folder.entries(), 1U);
}

// Four cliques in a ring: METIS cuts between them, and the part follows the vertex to its position.
TEST(Prepare, PartsFollowTheirVertices) {
  const test::TemporaryFolder folder;
  device::Context context({.threads = 2});
  constexpr Index kClique = 16, kVertices = 4 * kClique;
  std::vector<test::RawEdge> edges;
  for (Index v = 0; v < kVertices; ++v) {
    for (Index u = v / kClique * kClique; u < v; ++u) edges.push_back({u, v});
    if (v % kClique == 0) edges.push_back({v, (v + kVertices - 1) % kVertices});
  }
  PrepareOptions o;
  o.virtual_blocks = 4, o.add_inverse_edge = true;
  prepare(context, test::raw_dataset(kVertices, edges), folder / "none.opx", o);
  const auto none = Store::open(folder / "none.opx");
  EXPECT_EQ(none->info().parts, 0);
  std::vector<std::int32_t> part(static_cast<std::size_t>(kVertices));
  EXPECT_THROW(none->read_parts({0, kVertices}, part), base::InvalidArgument);
  o.parts = 4;
  try {
    prepare(context, test::raw_dataset(kVertices, edges), folder / "a.opx", o);
  } catch (const base::NotCompiled& e) {
    GTEST_SKIP() << e.what();
  }
  verify_store(folder / "a.opx");
  const auto store = Store::open(folder / "a.opx");
  EXPECT_EQ(store->info().parts, 4);
  store->read_parts({0, kVertices / 2}, std::span(part).first(kVertices / 2));
  store->read_parts({kVertices / 2, kVertices}, std::span(part).last(kVertices / 2));
  std::vector<Index> original(static_cast<std::size_t>(kVertices));
  store->read_original_ids({0, kVertices}, original);
  std::map<Index, std::set<std::int32_t>> of_clique;
  for (std::size_t p = 0; p < part.size(); ++p) of_clique[original[p] / kClique].insert(part[p]);
  std::set<std::int32_t> all;
  for (const auto& [clique, parts] : of_clique) {
    EXPECT_EQ(parts.size(), 1U) << "clique " << clique;
    all.insert(parts.begin(), parts.end());
  }
  EXPECT_EQ(all, (std::set<std::int32_t>{0, 1, 2, 3}));
  o.parts = kAutoParts;
  prepare(context, test::raw_dataset(kVertices, edges), folder / "auto.opx", o);
  EXPECT_EQ(Store::open(folder / "auto.opx")->info().parts, 1);
  for (const Index parts : {Index{-2}, kVertices + 1}) {
    o.parts = parts;
    EXPECT_THROW(prepare(context, test::raw_dataset(kVertices, edges), folder / "b.opx", o),
                 base::InvalidArgument);
  }
}

// Nothing to cut: parts of even size, so that sampler cluster has batches of vertices.
TEST(Prepare, PartsWithoutEdgesAreEven) {
  const test::TemporaryFolder folder;
  device::Context context({.threads = 1});
  constexpr Index kVertices = 30, kParts = 4;
  PrepareOptions o;
  o.virtual_blocks = 2, o.parts = kParts;
  try {
    prepare(context, test::raw_dataset(kVertices, {}), folder / "a.opx", o);
  } catch (const base::NotCompiled& e) {
    GTEST_SKIP() << e.what();
  }
  verify_store(folder / "a.opx");
  const auto store = Store::open(folder / "a.opx");
  std::vector<std::int32_t> part(static_cast<std::size_t>(kVertices));
  store->read_parts({0, kVertices}, part);
  std::map<std::int32_t, Index> sizes;
  for (const std::int32_t p : part) ++sizes[p];
  EXPECT_EQ(sizes, (std::map<std::int32_t, Index>{{0, 7}, {1, 8}, {2, 7}, {3, 8}}));
}

TEST(Prepare, RefusesBadInputAndLeavesNothingBehind) {
  const test::TemporaryFolder folder;
  device::Context context({.threads = 2});
  const auto run = [&](RawDataset raw, PrepareOptions o = {}) {
    prepare(context, std::move(raw), folder / "a.opx", o);
  };
  EXPECT_THROW(run(test::raw_dataset(3, {{0, 3}})), base::FormatError);
  EXPECT_THROW(run(test::raw_dataset(3, {{-1, 2}})), base::FormatError);
  auto labels = test::raw_dataset(2, {{0, 1}});
  labels.labels = {.task = Task::kMultiClass, .classes = 2, .labels = {0, 2}, .targets = {}};
  EXPECT_THROW(run(std::move(labels)), base::FormatError);
  auto few = test::raw_dataset(2, {{0, 1}});
  few.splits = {Split::kTrain};
  EXPECT_THROW(run(std::move(few)), base::FormatError);
  PrepareOptions split;
  split.split = "0.5/0.5/0";
  EXPECT_THROW(run(test::raw_dataset(2, {{0, 1}}), split), base::InvalidArgument);
  PrepareOptions blocks;
  blocks.virtual_blocks = 5;
  EXPECT_THROW(run(test::raw_dataset(2, {{0, 1}}), blocks), base::InvalidArgument);
  PrepareOptions tiny;
  tiny.memory = 100000;
  EXPECT_THROW(run(test::raw_dataset(100000, {{0, 1}}), tiny), base::ResourceError);
  EXPECT_THROW(prepare(context, test::raw_dataset(2, {{0, 1}}), folder / "no/such/a.opx", {}),
               base::ResourceError);
  auto one_sided = test::raw_dataset(2, {{0, 1}});
  one_sided.already_symmetric = true;
  EXPECT_THROW(run(std::move(one_sided)), base::FormatError);
  EXPECT_EQ(folder.entries(), 0U);
}

TEST(Prepare, ReplacesAStoreAndNothingElse) {
  const test::TemporaryFolder folder;
  device::Context context({.threads = 1});
  const auto prepare_to = [&](const char* name) {
    return prepare(context, test::raw_dataset(2, {{0, 1}}), folder / name, {});
  };
  const std::string text = "0,1\n";
  std::ofstream(folder / "input.csv") << text;
  EXPECT_THROW(prepare_to("input.csv"), base::InvalidArgument);
  std::string left;
  std::getline(std::ifstream(folder / "input.csv"), left);
  EXPECT_EQ(left, "0,1");
  EXPECT_EQ(prepare_to("a.opx").checksum, prepare_to("a.opx").checksum);
  EXPECT_EQ(folder.entries(), 2U);
}

}  // namespace
}  // namespace opx::graph
