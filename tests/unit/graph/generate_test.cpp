// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/generate.hpp"

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "graph/export.hpp"
#include "graph/prepare.hpp"
#include "support/raw_dataset.hpp"

namespace opx::graph {
namespace {

struct AllEdges {
  std::vector<Index> src, dst;
  friend bool operator==(const AllEdges&, const AllEdges&) = default;
};

AllEdges drain(RawDataset& raw) {
  AllEdges all;
  EdgeBatch batch;
  while (raw.edges->next(batch)) {
    all.src.insert(all.src.end(), batch.src.begin(), batch.src.end());
    all.dst.insert(all.dst.end(), batch.dst.begin(), batch.dst.end());
  }
  return all;
}

TEST(Generate, RmatHasItsQuadrants) {
  device::Context context({.threads = 2});
  auto raw = generate_rmat(context, {.scale = 12, .edge_factor = 16});
  const AllEdges e = drain(raw);
  ASSERT_EQ(e.src.size(), 65536U);
  double a = 0, b = 0, c = 0;  // by the first bit of each end
  for (std::size_t i = 0; i < e.src.size(); ++i) {
    const bool u = e.src[i] >= 2048, v = e.dst[i] >= 2048;
    a += !u && !v, b += !u && v, c += u && !v;
  }
  EXPECT_NEAR(a / 65536, 0.57, 0.01);
  EXPECT_NEAR(b / 65536, 0.19, 0.01);
  EXPECT_NEAR(c / 65536, 0.19, 0.01);
}

TEST(Generate, TheSameWithAnyNumberOfThreadsAndAnotherBySeed) {
  device::Context one({.threads = 1}), four({.threads = 4});
  const auto rmat = [](device::Context& c, std::uint64_t seed) {
    auto raw = generate_rmat(c, {.scale = 10, .seed = seed});
    return drain(raw);
  };
  EXPECT_EQ(rmat(one, 1), rmat(four, 1));
  EXPECT_NE(rmat(one, 1), rmat(one, 2));
  const auto partition = [](device::Context& c) {
    auto raw = generate_partition(c, {.vertices = 500, .feature_dim = 6});
    std::vector<float> x(500 * 6);
    raw.features->read({x.data(), 200, 6});
    raw.features->read({x.data() + 1200, 300, 6});
    return std::pair{drain(raw), x};
  };
  EXPECT_EQ(partition(one), partition(four));
}

TEST(Generate, PartitionHasItsHomophilyDegreesAndFeatures) {
  device::Context context({.threads = 2});
  PartitionOptions o{.vertices = 8000,
                     .classes = 5,
                     .average_degree = 12,
                     .homophily = 0.7,
                     .feature_dim = 16,
                     .signal = 3,
                     .label_noise = 0};
  auto raw = generate_partition(context, o);
  const AllEdges e = drain(raw);
  EXPECT_EQ(e.src.size(), 48000U);
  double same = 0;
  std::vector<Index> degree(8000, 0);
  for (std::size_t i = 0; i < e.src.size(); ++i) {
    same += raw.labels.labels[static_cast<std::size_t>(e.src[i])] ==
            raw.labels.labels[static_cast<std::size_t>(e.dst[i])];
    ++degree[static_cast<std::size_t>(e.src[i])], ++degree[static_cast<std::size_t>(e.dst[i])];
  }
  EXPECT_NEAR(same / 48000, 0.7, 0.01);
  EXPECT_GT(*std::max_element(degree.begin(), degree.end()), 200);  // hubs
  std::vector<float> x(8000 * 16);
  raw.features->read({x.data(), 8000, 16});
  double norm = 0;  // of the mean of class 0: its centre
  Index members = 0;
  std::vector<double> mean(16, 0);
  for (std::size_t v = 0; v < 8000; ++v)
    if (raw.labels.labels[v] == 0) {
      ++members;
      for (std::size_t j = 0; j < 16; ++j) mean[j] += x[v * 16 + j];
    }
  for (const double m : mean) norm += m * m / static_cast<double>(members * members);
  EXPECT_NEAR(std::sqrt(norm), 3, 0.15);
  EXPECT_NEAR(static_cast<double>(std::count(raw.splits.begin(), raw.splits.end(), Split::kTrain)), 800, 1);
  EXPECT_NEAR(static_cast<double>(std::count(raw.splits.begin(), raw.splits.end(), Split::kTest)), 5600, 1);
}

TEST(Generate, RoadIsALattice) {
  device::Context context({.threads = 2});
  auto raw = generate_road(context, {.side = 100, .keep = 0.55});
  const AllEdges e = drain(raw);
  EXPECT_NEAR(static_cast<double>(e.src.size()), 0.55 * 2 * 100 * 99, 250);
  for (std::size_t i = 0; i < e.src.size(); ++i) {
    const Index step = e.dst[i] - e.src[i];
    EXPECT_TRUE(step == 100 || (step == 1 && e.src[i] % 100 != 99));
  }
  auto none = generate_road(context, {.side = 0});
  EXPECT_TRUE(drain(none).src.empty());
}

TEST(Generate, RefusesWhatItCannotMake) {
  device::Context context({.threads = 1});
  EXPECT_THROW(generate_rmat(context, {.scale = 31}), base::InvalidArgument);
  EXPECT_THROW(generate_rmat(context, {.scale = 3, .a = 0.9, .b = 0.2}), base::InvalidArgument);
  EXPECT_THROW(generate_partition(context, {.exponent = 2}), base::InvalidArgument);
  EXPECT_THROW(generate_partition(context, {.homophily = 1.5}), base::InvalidArgument);
  EXPECT_THROW(generate_partition(context, {.vertices = 3, .classes = 4}), base::InvalidArgument);
  EXPECT_THROW(generate_road(context, {.side = -1}), base::InvalidArgument);
}

// What is exported as an OGB folder and loaded again is the graph that was generated.
TEST(Generate, ExportsAnOgbFolderThatLoadsEqual) {
  const test::TemporaryFolder folder;
  device::Context context({.threads = 2});
  const auto make = [&] {
    return generate_partition(context, {.vertices = 300, .feature_dim = 5, .label_rate = 0.6});
  };
  export_ogbn_csv(context, make(), folder / "p");
  RawDataset loaded = open_dataset(folder / "p", {});
  loaded.stored_once = true;
  const auto direct = prepare(context, make(), folder / "a.opx", {});
  const auto again = prepare(context, std::move(loaded), folder / "b.opx", {});
  EXPECT_EQ(direct.checksum, again.checksum);
}

}  // namespace
}  // namespace opx::graph
