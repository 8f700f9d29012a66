// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/measure.hpp"

#include <algorithm>
#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "unit/spmm/random_csr.hpp"

namespace opx::spmm {
namespace {

using testing::HostCsr;
using testing::random_csr;

// The definition, in the slow way.
Index misses_by_search(const CsrView& a, std::size_t capacity) {
  std::deque<LocalIndex> newest_first;
  Index misses = 0;
  for (const LocalIndex col : a.col_ids) {
    const auto found = std::find(newest_first.begin(), newest_first.end(), col);
    if (found == newest_first.end())
      ++misses;
    else
      newest_first.erase(found);
    newest_first.push_front(col);
    if (newest_first.size() > capacity) newest_first.pop_back();
  }
  return misses;
}

TEST(LruMisses, ByHand) {
  const HostCsr a{1, 3, {0, 7}, {0, 1, 0, 2, 1, 1, 0}, {}};
  EXPECT_EQ(lru_misses(a.view(), 1), 6);
  EXPECT_EQ(lru_misses(a.view(), 2), 5);
  EXPECT_EQ(lru_misses(a.view(), 3), 3);
  EXPECT_EQ(lru_misses(a.view(), 100), 3);
  EXPECT_THROW(static_cast<void>(lru_misses(a.view(), 0)), base::InvalidArgument);
}

TEST(LruMisses, EqualsTheDefinition) {
  const HostCsr a = random_csr(1, 300, 97, 11, false);
  for (const Index capacity : {1, 2, 7, 50, 96, 97, 98})
    EXPECT_EQ(lru_misses(a.view(), capacity), misses_by_search(a.view(), static_cast<std::size_t>(capacity)));
}

TEST(SpreadOf, NearestRank) {
  const Spread s = spread_of({11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  EXPECT_EQ(s.median, 6);
  EXPECT_EQ(s.p10, 2);
  EXPECT_EQ(s.p90, 10);
  EXPECT_EQ(spread_of({}).median, 0);
}

TEST(Measure, FiguresFitTogether) {
  device::Context context({.threads = 2});
  const HostCsr a = random_csr(2, 500, 400, 9, true);
  for (const bool bf16 : {false, true}) {
    const Measurement m = measure(context, a.view(),
                                  {.cols = 47,
                                   .bf16 = bf16,
                                   .repeats = 2,
                                   .stream_words = 1 << 18,
                                   .cache_bytes = 40960,
                                   .nominal_cache_bytes = 81920,
                                   .tight = bf16});
    EXPECT_GT(m.seconds.median, 0);
    EXPECT_LE(m.seconds.p10, m.seconds.p90);
    EXPECT_LT(m.largest_error, 1e-5);
    EXPECT_EQ(m.flops, 2.0 * static_cast<double>(a.view().nnz()) * 47);
    const double row = 47 * (bf16 ? 2 : 4), nnz = static_cast<double>(a.view().nnz());
    for (const auto& [bound, cache] : {std::pair{m.bound, 40960}, {m.nominal, 81920}}) {
      const double missed = static_cast<double>(lru_misses(a.view(), static_cast<Index>(cache / row)));
      EXPECT_EQ(bound.cache_bytes, static_cast<std::size_t>(cache));
      EXPECT_EQ(bound.missed_share, missed / nnz);
      EXPECT_EQ(bound.bytes, missed * row + 8 * nnz + 8 * 500 + 500 * 47 * 4);
      EXPECT_DOUBLE_EQ(bound.seconds, bound.bytes / m.read_bandwidth);
      EXPECT_DOUBLE_EQ(bound.ratio, bound.seconds / m.seconds.median);
    }
    EXPECT_GE(m.bound.ratio, m.nominal.ratio);
    EXPECT_EQ(m.target, dispatch_target());
  }
  const Measurement m =
      measure(context, a.view(),
              {.repeats = 1, .stream_words = 1 << 18, .nominal_cache_bytes = std::size_t{1} << 20});
  EXPECT_LE(m.bound.cache_bytes, std::size_t{1} << 20);
  EXPECT_EQ(m.nominal.cache_bytes, std::size_t{1} << 20);
  EXPECT_THROW(static_cast<void>(measure(context, a.view(), {.cols = 0})), base::InvalidArgument);
}

}  // namespace
}  // namespace opx::spmm
