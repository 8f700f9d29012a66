// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "base/random.hpp"

#include <set>
#include <vector>

#include <Random123/philox.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace opx::base {
namespace {

// Known answer of Philox 4x32-10 from the Random123 distribution (kat_vectors): all-zero key and counter.
static_assert(philox_words({0, 0, 0, 0}, {0, 0}) ==
              std::array<std::uint32_t, 4>{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U});

TEST(Philox, EqualsRandom123) {
  std::array<std::uint32_t, 4> c{1, 0xFFFFFFFFU, 0x80000000U, 77};
  std::array<std::uint32_t, 2> k{0xFFFFFFFFU, 3};
  for (int i = 0; i < 1000; ++i) {
    const auto ours = philox_words(c, k);
    const auto theirs = r123::Philox4x32{}({{c[0], c[1], c[2], c[3]}}, {{k[0], k[1]}});
    for (std::size_t w = 0; w < 4; ++w) ASSERT_EQ(ours[w], theirs[w]);
    k = {ours[0], ours[1]};
    c = {ours[2], ours[3], ours[0] ^ c[0], ours[1] + c[1]};
  }
}

TEST(Philox, StreamsDiffer) {
  std::set<std::uint32_t> seen;
  for (std::uint32_t purpose = 1; purpose < 8; ++purpose)
    for (std::uint32_t step = 0; step < 8; ++step)
      for (std::uint64_t vertex : {0ULL, 1ULL, 1ULL << 33})
        seen.insert(philox({7, static_cast<Purpose>(purpose)}, {.step = step, .vertex = vertex})[0]);
  EXPECT_EQ(seen.size(), 7U * 8 * 3);
}

TEST(KeyedPermutation, IsABijectionWithInverse) {
  for (const Index n : {0, 1, 2, 3, 5, 16, 17, 1000, 4096, 4097}) {
    const KeyedPermutation p({3, Purpose::kDeal}, 9, n);
    std::vector<char> hit(static_cast<std::size_t>(n), 0);
    for (Index i = 0; i < n; ++i) {
      const Index j = p(i);
      ASSERT_GE(j, 0);
      ASSERT_LT(j, n);
      EXPECT_EQ(p.inverse(j), i);
      EXPECT_EQ(hit[static_cast<std::size_t>(j)]++, 0);
    }
  }
}

TEST(KeyedPermutation, ManyAtOnceAreTheSame) {
  for (const Index n : {1, 5, 17, 1000, 1024, 1025, 300000}) {
    const KeyedPermutation p({3, Purpose::kDeal}, 7ULL << 32 | 9, n);
    for (const Range r : {Range{0, 0}, Range{0, 1}, Range{0, n}, Range{n / 3, n}, Range{n / 2, n / 2 + 1}}) {
      if (r.end > n) continue;
      std::vector<Index> out(static_cast<std::size_t>(r.size()));
      p.evaluate(r, out);
      for (Index i = r.begin; i < r.end; ++i)
        ASSERT_EQ(out[static_cast<std::size_t>(i - r.begin)], p(i)) << n << " at " << i;
    }
  }
  const KeyedPermutation wide({3, Purpose::kDeal}, 1, Index{1} << 40);
  std::vector<Index> out(40);
  wide.evaluate({Index{1} << 39, (Index{1} << 39) + 40}, out);
  for (Index i = 0; i < 40; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], wide((Index{1} << 39) + i));
  EXPECT_THROW(wide.evaluate({0, 41}, out), DimensionMismatch);
}

TEST(UniformBelow, StaysInRangeAndCoversIt) {
  std::vector<int> count(10);
  for (std::uint32_t i = 0; i < 10000; ++i) {
    const auto r = philox({1, Purpose::kTest}, {.word = i});
    ++count.at(uniform_below(r[0], r[1], 10));
    EXPECT_LT(uniform_float(r[2]), 1.0F);
    EXPECT_LT(uniform_double(r[2], r[3]), 1.0);
  }
  for (const int c : count) EXPECT_NEAR(c, 1000, 150);
}

TEST(EvenRange, BoundariesNest) {
  for (const Index n : {0, 1, 7, 64, 1001})
    for (const Index p : {1, 2, 3, 4}) {
      EXPECT_EQ(even_range(n, p, 0).begin, 0);
      EXPECT_EQ(even_range(n, p, p - 1).end, n);
      for (Index i = 0; i < p; ++i) {
        EXPECT_EQ(even_range(n, p, i).begin, even_range(n, 12, i * 12 / p).begin);
        EXPECT_LE(even_range(n, p, i).size(), ceil_div(n, p));
      }
    }
}

}  // namespace
}  // namespace opx::base
