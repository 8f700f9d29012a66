// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/cache_probe.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace opx::spmm {
namespace {

constexpr std::size_t kMib = std::size_t{1} << 20;

std::vector<CachePoint> curve_of(std::initializer_list<std::pair<std::size_t, double>> points) {
  std::vector<CachePoint> curve;
  for (const auto& [mib, nanoseconds] : points) curve.push_back({mib * kMib, nanoseconds * 1e-9});
  return curve;
}

TEST(KneeOf, StepIsFoundBetweenItsSizes) {
  // The middle, 55 ns, is half-way from 10 to 100 ns: the geometric mean of 8 and 16 MiB.
  const auto curve = curve_of({{1, 10}, {2, 10}, {4, 10}, {8, 10}, {16, 100}, {32, 100}, {64, 100}});
  EXPECT_NEAR(static_cast<double>(knee_of(curve, 32 * kMib)), 8 * std::sqrt(2.0) * kMib, 1);
}

TEST(KneeOf, SlopeIsInterpolated) {
  const auto curve = curve_of({{1, 10}, {2, 10}, {4, 10}, {8, 40}, {16, 80}, {32, 90}, {64, 90}, {128, 90}});
  // 50 ns is a quarter of the way from 40 to 80.
  EXPECT_NEAR(static_cast<double>(knee_of(curve, 64 * kMib)), 8 * std::pow(2.0, 0.25) * kMib, 1);
}

TEST(KneeOf, TakesTheLargestSizeBelowTheMiddle) {
  const auto curve = curve_of({{1, 10}, {2, 10}, {4, 90}, {8, 10}, {16, 10}, {32, 90}, {64, 90}, {128, 90}});
  const auto knee = knee_of(curve, 64 * kMib);
  EXPECT_GT(knee, 16 * kMib);
  EXPECT_LT(knee, 32 * kMib);
}

TEST(KneeOf, OneOutlierDoesNotMoveAPlateau) {
  const auto quiet = curve_of({{1, 10}, {2, 10}, {4, 10}, {8, 10}, {16, 90}, {32, 90}, {64, 90}});
  const auto disturbed = curve_of({{1, 10}, {2, 500}, {4, 10}, {8, 10}, {16, 90}, {32, 90}, {64, 4000}});
  EXPECT_EQ(knee_of(disturbed, 32 * kMib), knee_of(quiet, 32 * kMib));
}

TEST(KneeOf, NominalIsTheCap) {
  const auto curve = curve_of({{1, 10}, {2, 10}, {4, 10}, {8, 10}, {16, 90}, {32, 90}, {64, 90}});
  EXPECT_EQ(knee_of(curve, 9 * kMib), 9 * kMib);
}

TEST(KneeOf, NominalWhereThereIsNoKnee) {
  const auto flat = curve_of({{1, 10}, {2, 10}, {4, 10}, {8, 12}, {16, 12}, {32, 14}});
  const auto falling = curve_of({{1, 90}, {2, 90}, {4, 90}, {8, 10}, {16, 10}, {32, 10}});
  const auto short_curve = curve_of({{1, 10}, {2, 10}, {4, 90}, {8, 90}});
  for (const auto& curve : {flat, falling, short_curve}) EXPECT_EQ(knee_of(curve, 4 * kMib), 4 * kMib);
  EXPECT_EQ(knee_of({}, kMib), kMib);
}

TEST(CacheCurve, SizesRiseForAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3}) {
    device::Context context({.threads = threads});
    const auto curve = cache_curve(context, kMib / 2);
    ASSERT_GE(curve.size(), 6U);
    EXPECT_LE(curve.back().bytes, 2 * kMib);
    for (std::size_t i = 0; i < curve.size(); ++i) {
      EXPECT_GT(curve[i].seconds, 0);
      if (i > 0) {
        EXPECT_GT(curve[i].bytes, curve[i - 1].bytes);
      }
    }
    EXPECT_EQ(context.memory().now(), 0U);
  }
  device::Context context({.threads = 1});
  EXPECT_THROW(static_cast<void>(cache_curve(context, 0)), base::InvalidArgument);
}

TEST(CacheCurve, MeasuredSizeIsAtMostNominal) {
  device::Context context({.threads = 2});
  const std::size_t bytes = measured_cache_bytes(context, kMib);
  EXPECT_GT(bytes, 0U);
  EXPECT_LE(bytes, kMib);
}

}  // namespace
}  // namespace opx::spmm
