// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Pieces of a sub-batch on one rank: the set of columns, gather_rows, the pipeline, and memory that is kept.
#include "sampling/batch.hpp"

#include <set>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "sampling/column_set.hpp"
#include "support/allocations.hpp"
#include "support/whole_shard.hpp"
#include "tensor/update.hpp"

namespace opx::sampling {
namespace {

TEST(ColumnSet, FindsWhatIsInAndForgetsIt) {
  ColumnSet set(1000);
  for (std::uint64_t round = 0; round < 5; ++round) {
    set.clear();
    std::set<std::int32_t> in;
    for (Index i = 0; i < 300; ++i)
      in.insert(static_cast<std::int32_t>((test::uniform(round, i) + 1) * 499.9));
    if (round == 3) in.clear();
    if (round == 4) in = {0, 63, 64, 127, 999};
    for (const std::int32_t c : in) set.add(c);
    EXPECT_EQ(set.size(), std::ssize(in));
    std::vector<std::int32_t> all(1000), at(1000), expected;
    for (std::int32_t c = 0; c < 1000; ++c) all[static_cast<std::size_t>(c)] = c;
    const Index found = set.find(all.data(), 1000, at.data());
    ASSERT_EQ(found, std::ssize(in));
    std::int32_t number = 0;
    for (const std::int32_t c : in) {
      EXPECT_EQ(at[static_cast<std::size_t>(number)], c);
      EXPECT_TRUE(set.contains(c));
      EXPECT_EQ(set.number(c), number++);
    }
  }
}

TEST(GatherRows, TakesRowsAndClearsTheRest) {
  for (const int threads : {1, 3}) {
    device::Context context({.threads = threads});
    tensor::Matrix<float> from(context, 700, 9), to(context, 900, 7);
    for (Index i = 0; i < from.size(); ++i) from.data()[i] = static_cast<float>(i);
    std::fill(to.span().begin(), to.span().end(), -1.0F);
    std::vector<std::int32_t> rows;
    for (std::int32_t i = 0; i < 800; ++i) rows.push_back(i % 11 == 7 ? -1 : i * 37 % 700);
    // Five columns from the middle of nine into the middle of seven.
    gather_rows(context, std::as_const(from).view().middle_cols({2, 7}), rows, to.view().middle_cols({1, 6}));
    for (Index i = 0; i < 900; ++i) {
      EXPECT_EQ(to(i, 0), -1.0F);
      EXPECT_EQ(to(i, 6), -1.0F);
      for (Index j = 0; j < 5; ++j)
        ASSERT_EQ(to(i, j + 1),
                  i < 800 && i % 11 != 7 ? from(rows[static_cast<std::size_t>(i)], j + 2) : 0.0F);
    }
    EXPECT_THROW(gather_rows(context, std::as_const(from).view(), rows, to.view()), base::DimensionMismatch);
    EXPECT_THROW(gather_rows(context, std::as_const(from).view().middle_cols({0, 7}), rows,
                             to.view().middle_rows({0, 799})),
                 base::DimensionMismatch);
    EXPECT_NO_THROW(gather_rows(context, std::as_const(from).view().middle_cols({0, 0}), rows,
                                to.view().middle_cols({0, 0})));
  }
}

TEST(BatchBuilder, AllocatesNothingOnceItHasItsSize) {
  for (const bool symmetric : {true, false}) {
    for (const bool weighted : {true, false}) {
      device::Context context({.threads = 1});
      const auto store = test::random_store(
          {.vertices = 400, .degree = 9, .symmetric = symmetric, .weighted = weighted, .seed = 5});
      const layout::GraphShard full = test::whole_shard(context, store);
      test::FakeSampler sampler(400, full.grid, {0}, {});
      const bool dropping = weighted == symmetric;
      BatchBuilder builder(context, full, store, sampler,
                           {.layers = 2, .first_layer = 1, .loss_rows = dropping, .drop_unread = dropping});
      std::array<Batch, 2> slots;
      const auto build_epoch = [&](Index epoch) {
        for (Index i = 0; i < sampler.batches(); ++i)
          for (Batch& slot : slots) builder.build(epoch, i, slot);
      };
      for (Index epoch = 0; epoch < 8; ++epoch) build_epoch(epoch);
      context.memory().reset_peak();
      const std::size_t held = context.memory().now();
      const long before = test::allocations();
      for (Index epoch = 0; epoch < 8; ++epoch) build_epoch(epoch);
      EXPECT_EQ(test::allocations(), before);
      EXPECT_EQ(context.memory().peak(), held);  // no Buffer came, not even for a while
    }
  }
}

TEST(BatchBuilder, ThreadsDoNotChangeTheBatch) {
  device::Context one({.threads = 1}), five({.threads = 5});
  const auto store = test::random_store({.vertices = 300, .degree = 9, .symmetric = false, .seed = 6});
  const layout::GraphShard full = test::whole_shard(one, store);
  test::FakeSampler sampler(300, full.grid, {0}, {});
  BatchBuilder serial(one, full, store, sampler, {}), parallel(five, full, store, sampler, {});
  Batch a, b;
  for (Index i = 0; i < sampler.batches(); ++i) {
    serial.build(0, i, a);
    parallel.build(0, i, b);
    test::expect_equal(a, b);
  }
}

}  // namespace
}  // namespace opx::sampling
