// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What samplers promise about chances, over many draws of a fixed seed: how often each vertex comes
// (chi-square), how often each pair does, and that one aggregation is unbiased given v in S.
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "sampling/sampler.hpp"
#include "sampling/shuffle.hpp"
#include "unit/sampling/support.hpp"

namespace opx::sampling {
namespace {

constexpr Index kVertices = 163, kDraws = 40000;

// Mean and its error over what was added.
struct Moments {
  double n = 0, sum = 0, squares = 0;
  void add(double x) { n += 1, sum += x, squares += x * x; }
  // Standard errors between the mean and `want`; 0 where both agree and nothing varies.
  [[nodiscard]] double z(double want) const {
    const double mean = sum / n, variance = std::max(0.0, squares / n - mean * mean) / n;
    const double off = mean - want;
    if (variance < 1e-12) return std::abs(off) < 1e-5 * (1 + std::abs(want)) ? 0 : 1e9;
    return off / std::sqrt(variance);
  }
};

class Unbiased : public ::testing::TestWithParam<Kind> {
 protected:
  Unbiased()
      : store_(test::hub_store(kVertices, 4)),
        sampler_(test::whole(store_, {.kind = GetParam(), .ratio = 0.2, .seed = 11, .hub_share = 0.1})) {}
  // Draws of different epochs are independent.
  template <class Use>
  void each(Use&& use) {
    Selection s;
    for (Index i = 0; i < kDraws; ++i) {
      sampler_->draw(i, i % sampler_->batches(), s);
      use(s);
    }
  }
  test::MemoryStore store_;
  std::unique_ptr<Sampler> sampler_;
};

double factor(const Selection& s, std::size_t v, std::size_t u) {
  return static_cast<double>(s.stratum[v] == s.stratum[u] ? s.same[u] : s.other[u]);
}

// sum over sampled neighbours, each over its probability, against the sum over all neighbours.
TEST_P(Unbiased, OneAggregationGivenThatTheRowIsSampled) {
  ASSERT_TRUE(sampler_->unbiased());
  const test::Dense a = store_.normalised(test::Factors::kSymmetric, true);
  const test::Dense x = test::random_dense(kVertices, 1, 3), full = a * x;
  std::vector<Moments> moments(static_cast<std::size_t>(kVertices));
  each([&](const Selection& s) {
    for (std::size_t v = 0; v < s.position.size(); ++v) {
      const Index row = s.position[v];
      double sum = a(row, row) * x(row, 0);
      for (std::size_t u = 0; u < s.position.size(); ++u) {
        const double entry = a(row, s.position[u]);
        if (u != v && entry != 0) sum += entry * factor(s, v, u) * x(s.position[u], 0);
      }
      moments[static_cast<std::size_t>(row)].add(sum);
    }
  });
  double squares = 0;
  for (Index v = 0; v < kVertices; ++v) {
    const Moments& m = moments[static_cast<std::size_t>(v)];
    ASSERT_GT(m.n, 1000) << "vertex " << v << " hardly comes";
    const double z = m.z(full(v, 0));
    EXPECT_LT(std::abs(z), 4.5) << "vertex " << v << ": mean " << m.sum / m.n << ", full " << full(v, 0);
    squares += z * z;
  }
  EXPECT_LT(squares / kVertices, 1.5);
}

// E[1[u in S] factor | v in S] = 1 for every ordered pair.
TEST_P(Unbiased, EveryPairComesAsOftenAsItsFactorSays) {
  constexpr auto kN = static_cast<std::size_t>(kVertices);
  std::vector<double> hits(kN * kN, 0), squares(kN * kN, 0), rows(kN, 0);
  each([&](const Selection& s) {
    for (std::size_t v = 0; v < s.position.size(); ++v) {
      const std::size_t row = static_cast<std::size_t>(s.position[v]) * kN;
      rows[row / kN] += 1;
      for (std::size_t u = 0; u < s.position.size(); ++u) {
        const double f = factor(s, v, u);
        hits[row + static_cast<std::size_t>(s.position[u])] += f;
        squares[row + static_cast<std::size_t>(s.position[u])] += f * f;
      }
    }
  });
  double sum = 0, worst = 0;
  for (std::size_t v = 0; v < kN; ++v) {
    for (std::size_t u = 0; u < kN; ++u) {
      if (u == v) continue;
      const double z = Moments{rows[v], hits[v * kN + u], squares[v * kN + u]}.z(1);
      worst = std::max(worst, std::abs(z));
      sum += z * z;
    }
  }
  EXPECT_LT(worst, 6);
  EXPECT_LT(sum / (kVertices * (kVertices - 1)), 1.1);
}

// Within a stratum of n of which b are drawn, the sum of z^2 over the members is n / (n - 1) times a
// chi-square of n - 1 degrees of freedom.
TEST_P(Unbiased, EveryVertexComesAsOftenAsItsStratumSays) {
  if (GetParam() == Kind::kCluster) GTEST_SKIP() << "vertices of a part come together; see Cluster";
  std::vector<double> seen(static_cast<std::size_t>(kVertices), 0);
  std::vector<std::int32_t> stratum(static_cast<std::size_t>(kVertices), -1);
  std::map<std::int32_t, double> expected, variance;
  each([&](const Selection& s) {
    std::map<std::int32_t, double> chance;
    for (std::size_t k = 0; k < s.position.size(); ++k) {
      const auto v = static_cast<std::size_t>(s.position[k]);
      seen[v] += 1;
      stratum[v] = s.stratum[k];
      chance[s.stratum[k]] = 1 / static_cast<double>(s.other[k]);
    }
    for (const auto& [g, p] : chance) expected[g] += p, variance[g] += p * (1 - p);
  });
  std::map<std::int32_t, double> members, squares;
  for (std::size_t v = 0; v < seen.size(); ++v) {
    ASSERT_GE(stratum[v], 0) << "vertex " << v << " never came";
    const std::int32_t g = stratum[v];
    members[g] += 1;
    if (variance[g] < 1e-9)
      EXPECT_EQ(seen[v], kDraws);
    else
      squares[g] += (seen[v] - expected[g]) * (seen[v] - expected[g]) / variance[g];
  }
  double chi = 0, freedom = 0;
  for (const auto& [g, sum] : squares) {
    chi += sum * (members[g] - 1) / members[g];
    freedom += members[g] - 1;
  }
  EXPECT_NEAR(chi, freedom, 4.5 * std::sqrt(2 * freedom));
}

INSTANTIATE_TEST_SUITE_P(All, Unbiased,
                         ::testing::Values(Kind::kStratified, Kind::kUniform, Kind::kDegree, Kind::kTrain,
                                           Kind::kCluster),
                         [](const auto& instance) { return std::string(name(instance.param)); });

TEST(Cluster, EveryPartComesAsOften) {
  const auto store = test::hub_store(kVertices, 4);
  const auto sampler = test::whole(store, {.kind = Kind::kCluster, .ratio = 0.2, .seed = 11});
  std::vector<std::int32_t> part(static_cast<std::size_t>(kVertices));
  store.read_parts({0, kVertices}, part);
  const std::set<std::int32_t> inhabited(part.begin(), part.end());
  std::map<std::int32_t, double> seen;
  Selection s;
  for (Index i = 0; i < kDraws; ++i) {
    sampler->draw(i, i % sampler->batches(), s);
    for (const std::int32_t p : std::set<std::int32_t>(s.stratum.begin(), s.stratum.end())) seen[p] += 1;
  }
  double chi = 0;
  const double p = 0.2, freedom = static_cast<double>(inhabited.size()) - 1;
  for (const std::int32_t k : inhabited)
    chi += (seen[k] - kDraws * p) * (seen[k] - kDraws * p) / (kDraws * p * (1 - p));
  EXPECT_NEAR(chi, freedom, 4.5 * std::sqrt(2 * freedom));
}

// Chunks of small and of large domains: all pairs as often.
TEST(Shuffle, GoesOnWhereItIsKept) {
  Shuffle shuffle(5);
  std::vector<std::uint16_t> memory(1000);
  for (const Index n : {256, 1000}) {
    Shuffle::Kept kept{.values = std::span(memory).first(static_cast<std::size_t>(n))};
    const auto elements = [&](std::uint64_t stream, Range points, Shuffle::Kept* keep) {
      std::vector<Index> out;
      const auto add = [&](Index e) { out.push_back(e); };
      keep != nullptr ? shuffle.each(stream, n, points, *keep, add) : shuffle.each(stream, n, points, add);
      return out;
    };
    for (const std::uint64_t stream : {7U, 8U, 7U})
      for (const Range points : {Range{50, 63}, {63, 97}, {0, 50}, {97, 250}, {250, 256}, {30, 70}})
        EXPECT_EQ(elements(stream, points, &kept), elements(stream, points, nullptr));
  }
}

TEST(Shuffle, PairsAreUniform) {
  Shuffle shuffle(5);
  for (const Index n : {3, 5, 8, 40, 129, 256, 257, 300}) {
    const Range chunk{n / 3, n / 3 + std::max<Index>(2, n / 4)};
    const auto b = static_cast<double>(chunk.size());
    constexpr int kRounds = 20000;
    std::vector<int> pairs(static_cast<std::size_t>(n * n), 0);
    for (int round = 0; round < kRounds; ++round) {
      std::vector<Index> got;
      shuffle.each(7ULL << 32 | static_cast<std::uint64_t>(round), n, chunk,
                   [&](Index i) { got.push_back(i); });
      ASSERT_EQ(static_cast<Index>(got.size()), chunk.size());
      for (const Index i : got)
        for (const Index j : got)
          if (i < j) ++pairs[static_cast<std::size_t>(i * n + j)];
    }
    const auto size = static_cast<double>(n);
    const double p = b * (b - 1) / (size * (size - 1)), count = size * (size - 1) / 2;
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      for (Index j = i + 1; j < n; ++j) {
        const double off = pairs[static_cast<std::size_t>(i * n + j)] - kRounds * p;
        sum += off * off / (kRounds * p * (1 - p));
      }
    }
    // Pairs share vertices, so the mean of their z^2 varies as that of the n - 1 degrees of freedom of those.
    EXPECT_NEAR(sum / count, 1, 4.5 * 0.57 / std::sqrt(size - 1)) << n;
  }
}

// saint-walk does not claim to be unbiased for a row; the sum of what a source gives to all rows is right.
TEST(SaintWalk, WhatASourceGivesIsRightInTheMean) {
  const auto store = test::hub_store(kVertices, 4);
  const auto sampler =
      test::whole(store, {.kind = Kind::kSaintWalk, .ratio = 0.2, .seed = 2, .presamples = 400});
  const test::Dense a = store.normalised(test::Factors::kNone, false);
  std::vector<double> given(static_cast<std::size_t>(kVertices), 0), due(given);
  Selection s;
  for (Index i = 0; i < 4000; ++i) {
    sampler->draw(i / sampler->batches(), i % sampler->batches(), s);
    for (std::size_t v = 0; v < s.position.size(); ++v) {
      for (Index u = 0; u < kVertices; ++u)
        if (u != s.position[v] && a(s.position[v], u) != 0) due[static_cast<std::size_t>(u)] += 1;
      for (std::size_t u = 0; u < s.position.size(); ++u)
        if (u != v && a(s.position[v], s.position[u]) != 0)
          given[static_cast<std::size_t>(s.position[u])] += factor(s, v, u);
    }
  }
  for (std::size_t u = 0; u < given.size(); ++u) EXPECT_NEAR(given[u] / due[u], 1, 0.25) << u;
  EXPECT_NEAR(std::accumulate(given.begin(), given.end(), 0.0) / std::accumulate(due.begin(), due.end(), 0.0),
              1, 0.02);
}

}  // namespace
}  // namespace opx::sampling
