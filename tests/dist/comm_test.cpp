// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Every collective against its definition.
#include <numeric>

#include <gtest/gtest.h>

#include "comm/threads/job.hpp"
#include "support/ranks.hpp"

namespace opx::comm {
namespace {

using test::for_each_world;
constexpr Index kSizes[] = {0, 1, 7, 1021, 5003};

// What rank r holds at i: small integers, so that every sum is exact in every type.
template <class T>
T input(int rank, Index i) {
  return static_cast<T>(static_cast<float>((3 * rank + static_cast<int>(i % 11)) % 8));
}

template <class T>
std::vector<T> inputs(int rank, Index n) {
  std::vector<T> v(static_cast<std::size_t>(n));
  for (Index i = 0; i < n; ++i) v[static_cast<std::size_t>(i)] = input<T>(rank, i);
  return v;
}

template <class T>
double as_double(T value) {
  return static_cast<double>(static_cast<float>(value));
}

template <class T>
double expected(int ranks, Index i, ReduceOp op) {
  double acc = as_double(input<T>(0, i));
  for (int r = 1; r < ranks; ++r) {
    const double v = as_double(input<T>(r, i));
    acc = op == ReduceOp::kSum ? acc + v : op == ReduceOp::kMax ? std::max(acc, v) : std::min(acc, v);
  }
  return acc;
}

template <class T>
class Typed : public testing::Test {};
using Types = testing::Types<std::uint8_t, std::int32_t, std::int64_t, float, double, bfloat16>;
TYPED_TEST_SUITE(Typed, Types);

TYPED_TEST(Typed, AllReduce) {
  using T = TypeParam;
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    for (const Index n : kSizes) {
      for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMax, ReduceOp::kMin}) {
        std::vector<T> data = inputs<T>(world.rank(), n);
        world.all_reduce(std::span(data), op, CommPurpose::kLoss);
        for (Index i = 0; i < n; ++i) {
          ASSERT_EQ(as_double(data[static_cast<std::size_t>(i)]), expected<T>(world.size(), i, op)) << i;
        }
      }
    }
  });
}

TYPED_TEST(Typed, ReduceScatter) {
  using T = TypeParam;
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    for (const Index n : kSizes) {
      for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMax, ReduceOp::kMin}) {
        const std::vector<T> send = inputs<T>(world.rank(), n * world.size());
        std::vector<T> receive(static_cast<std::size_t>(n));
        world.reduce_scatter(std::span(send), std::span(receive), op, CommPurpose::kForward);
        for (Index i = 0; i < n; ++i) {
          ASSERT_EQ(as_double(receive[static_cast<std::size_t>(i)]),
                    expected<T>(world.size(), world.rank() * n + i, op));
        }
      }
    }
  });
}

TYPED_TEST(Typed, AllGather) {
  using T = TypeParam;
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    for (const Index n : kSizes) {
      const std::vector<T> send = inputs<T>(world.rank(), n);
      std::vector<T> receive(static_cast<std::size_t>(n * world.size()));
      world.all_gather(std::span(send), std::span(receive), CommPurpose::kForward);
      std::vector<T> wanted;
      for (int r = 0; r < world.size(); ++r) {
        const auto part = inputs<T>(r, n);
        wanted.insert(wanted.end(), part.begin(), part.end());
      }
      ASSERT_TRUE(receive == wanted);
    }
  });
}

TEST(Agree, LowestFailingRankWins) {
  for_each_world({1, 2, 3, 4}, [](Communicator& world) {
    EXPECT_NO_THROW(agree(world, [] {}));
    if (world.size() < 3) return;
    try {
      agree(world, [&] {
        if (world.rank() >= 1) throw base::ResourceError(fmt::format("disk of {} full", world.rank()));
      });
      ADD_FAILURE() << "no error";
    } catch (const base::ResourceError& e) {
      EXPECT_STREQ(e.what(), "rank 1: disk of 1 full");
    }
    world.barrier();
  });
}

}  // namespace
}  // namespace opx::comm
