// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/context.hpp"

#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "device/buffer.hpp"

namespace opx::device {
namespace {

TEST(Context, ParallelForRunsEveryTaskOnce) {
  for (const int threads : {1, 2, 5}) {
    Context context({.threads = threads});
    std::vector<int> hits(101);
    context.parallel_for(101, [&](Index i) { ++hits[static_cast<std::size_t>(i)]; });
    EXPECT_EQ(hits, std::vector<int>(101, 1));
  }
}

TEST(Context, RangesDoNotDependOnThreads) {
  const auto ranges = [](int threads) {
    Context context({.threads = threads});
    std::vector<Index> ends(ceil_div(1000, 64), -1);
    context.parallel_ranges(1000, 64,
                            [&](Range r) { ends[static_cast<std::size_t>(r.begin * 16 / 1000)] = r.end; });
    return ends;
  };
  EXPECT_EQ(ranges(1), ranges(3));
}

TEST(Context, LowestFailingTaskWins) {
  Context context({.threads = 4});
  try {
    context.parallel_for(64, [&](Index i) {
      if (i % 2 == 1) throw base::InvalidArgument(std::to_string(i));
    });
    FAIL();
  } catch (const base::InvalidArgument& e) {
    EXPECT_STREQ(e.what(), "1");
  }
}

TEST(Buffer, IsCountedAndAligned) {
  Context context;
  {
    Buffer<float> a(context, 1000);
    Buffer<double> b(context, 1 << 20);
    EXPECT_EQ(context.memory().now(), 4000U + (8U << 20));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 64, 0U);
    a = Buffer<float>(context, 10);
  }
  EXPECT_EQ(context.memory().now(), 0U);
  EXPECT_GE(context.memory().peak(), 4000U + (8U << 20));
  EXPECT_THROW(Buffer<double>(context, Index{1} << 55), base::OutOfMemory);
}

TEST(Buffer, ResizesWithinItsMemory) {
  Context context;
  Buffer<int> a;
  a.resize(context, 100);
  for (int i = 0; i < 100; ++i) a[i] = i;
  const int* before = a.data();
  a.resize(context, 10);
  EXPECT_EQ(a.size(), 10);
  EXPECT_EQ(a.span().size(), 10U);
  EXPECT_EQ(a.bytes(), 40U);
  EXPECT_EQ(a.data(), before);
  EXPECT_EQ(context.memory().now(), 400U);  // what it holds
  a.resize(context, 100);
  EXPECT_EQ(a.data(), before);
  a.resize(context, 101);
  EXPECT_EQ(a.capacity(), 150);
  EXPECT_EQ(context.memory().now(), 600U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a[i], i);
  a.resize(context, 0);
  EXPECT_TRUE(a.empty());
  a = {};
  EXPECT_EQ(context.memory().now(), 0U);
}

}  // namespace
}  // namespace opx::device
