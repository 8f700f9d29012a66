// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Every collective against its definition.
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "comm/measure.hpp"
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

TYPED_TEST(Typed, Broadcast) {
  using T = TypeParam;
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    for (const Index n : kSizes) {
      for (int root = 0; root < world.size(); ++root) {
        std::vector<T> data = inputs<T>(world.rank(), n);
        world.broadcast(std::span(data), root, CommPurpose::kSetup);
        ASSERT_TRUE(data == inputs<T>(root, n));
      }
    }
  });
}

// Counts that differ by rank and pair, zeros among them.
Index uneven(int from, int to, Index scale) {
  return (from * 5 + to * 3) % 4 * scale + (from == to ? 0 : from % 2);
}

TYPED_TEST(Typed, AllGatherV) {
  using T = TypeParam;
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    for (const Index scale : {0, 1, 13, 2003}) {
      std::vector<Index> counts;
      std::vector<T> wanted;
      for (int r = 0; r < world.size(); ++r) {
        counts.push_back(uneven(r, 1, scale));
        const auto part = inputs<T>(r, counts.back());
        wanted.insert(wanted.end(), part.begin(), part.end());
      }
      const std::vector<T> send = inputs<T>(world.rank(), counts[static_cast<std::size_t>(world.rank())]);
      std::vector<T> receive(wanted.size());
      world.all_gather_v(std::span(send), std::span(receive), counts, CommPurpose::kSetup);
      ASSERT_TRUE(receive == wanted);
    }
  });
}

TYPED_TEST(Typed, AllToAllV) {
  using T = TypeParam;
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    for (const Index scale : {0, 1, 13, 2003}) {
      std::vector<Index> send_counts, receive_counts;
      std::vector<T> send, wanted;
      for (int r = 0; r < world.size(); ++r) {
        send_counts.push_back(uneven(world.rank(), r, scale));
        receive_counts.push_back(uneven(r, world.rank(), scale));
        const auto out = inputs<T>(world.rank() + 7 * r, send_counts.back());
        const auto in = inputs<T>(r + 7 * world.rank(), receive_counts.back());
        send.insert(send.end(), out.begin(), out.end());
        wanted.insert(wanted.end(), in.begin(), in.end());
      }
      std::vector<T> receive(wanted.size());
      world.all_to_all_v(std::span<const T>(send), send_counts, std::span(receive), receive_counts,
                         CommPurpose::kForward);
      ASSERT_TRUE(receive == wanted);
    }
  });
}

TEST(InPlace, AllGatherAndReduceScatter) {
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    for (const Index n : kSizes) {
      const auto un = static_cast<std::size_t>(n), me = static_cast<std::size_t>(world.rank());
      std::vector<float> all(un * static_cast<std::size_t>(world.size()), -1);
      const std::span<float> own = std::span(all).subspan(me * un, un);
      const auto mine = inputs<float>(world.rank(), n);
      std::copy(mine.begin(), mine.end(), own.begin());
      world.all_gather(std::span<const float>(own), std::span(all), CommPurpose::kForward);
      for (int r = 0; r < world.size(); ++r) {
        for (Index i = 0; i < n; ++i) ASSERT_EQ(all[static_cast<std::size_t>(r * n + i)], input<float>(r, i));
      }
      // Every rank holds the same now, so the sum is size() times each element; received into the own part.
      world.reduce_scatter(std::span<const float>(all), own, ReduceOp::kSum, CommPurpose::kForward);
      for (Index i = 0; i < n; ++i) {
        ASSERT_EQ(own[static_cast<std::size_t>(i)],
                  input<float>(world.rank(), i) * static_cast<float>(world.size()));
      }
    }
  });
}

// Values whose sum depends on the order of the additions.
template <class T>
T noisy(int rank, Index i) {
  const auto w = base::philox({77, base::Purpose::kTest}, {.step = static_cast<std::uint32_t>(rank),
                                                           .vertex = static_cast<std::uint64_t>(i)});
  const float scale = static_cast<float>(1U << (w[1] % 20U));
  return static_cast<T>((base::uniform_float(w[0]) - 0.5F) * scale);
}

template <class T>
std::vector<T> noisy_vector(int rank, Index begin, Index n) {
  std::vector<T> v;
  for (Index i = 0; i < n; ++i) v.push_back(noisy<T>(rank, begin + i));
  return v;
}

template <class T>
T serial_sum(int ranks, Index i) {
  using A = std::conditional_t<std::is_same_v<T, bfloat16>, float, T>;
  A acc = static_cast<A>(noisy<T>(0, i));
  for (int r = 1; r < ranks; ++r) acc += static_cast<A>(noisy<T>(r, i));
  return static_cast<T>(acc);
}

template <class T>
bool same_bits(std::span<const T> a, std::span<const T> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

template <class T>
void check_bit_equality(Communicator& world) {
  for (const Index n : {Index{3}, Index{1021}, Index{40009}}) {
    std::vector<T> wanted;
    for (Index i = 0; i < n * world.size(); ++i) wanted.push_back(serial_sum<T>(world.size(), i));
    auto data = noisy_vector<T>(world.rank(), 0, n * world.size());
    std::vector<T> part(static_cast<std::size_t>(n));
    world.reduce_scatter(std::span<const T>(data), std::span(part), ReduceOp::kSum, CommPurpose::kForward);
    const auto un = static_cast<std::size_t>(n);
    EXPECT_TRUE(
        same_bits<T>(part, std::span(wanted).subspan(static_cast<std::size_t>(world.rank()) * un, un)));
    world.all_reduce(std::span(data), ReduceOp::kSum, CommPurpose::kGradient);
    EXPECT_TRUE(same_bits<T>(data, wanted));
  }
}

TEST(Reductions, EqualTheSerialSumInRankOrderToTheBit) {
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    check_bit_equality<float>(world);
    check_bit_equality<double>(world);
    check_bit_equality<bfloat16>(world);
  });
}

std::uint64_t fingerprint(std::span<const std::byte> bytes) {
  std::uint64_t h = 0xcbf29ce484222325U;  // FNV-1a
  for (const std::byte b : bytes) h = (h ^ static_cast<std::uint64_t>(b)) * 0x100000001b3U;
  return h;
}

// Recorded once from the threads backend: any backend, build and machine gives these bits.
TEST(Reductions, GoldenFingerprints) {
  constexpr std::array<std::uint64_t, 5> kGolden{0, 12821725847618335596U, 2315623030308666123U,
                                                 2138628748776421488U, 12419936060633107519U};
  for_each_world({1, 2, 3, 4}, [&](Communicator& world) {
    auto data = noisy_vector<float>(world.rank(), 0, 5003);
    world.all_reduce(std::span(data), ReduceOp::kSum, CommPurpose::kGradient);
    ASSERT_LE(world.size(), 4);
    EXPECT_EQ(fingerprint(std::as_bytes(std::span(data))), kGolden[static_cast<std::size_t>(world.size())])
        << world.size();
  });
}

TEST(Reductions, NanOfAnyRankReachesAll) {
  for_each_world({2, 3}, [](Communicator& world) {
    for (int bad = 0; bad < world.size(); ++bad) {
      std::vector<bfloat16> data(3, bfloat16(1.0F));
      if (world.rank() == bad) data[1] = bfloat16(std::numeric_limits<float>::quiet_NaN());
      world.all_reduce(std::span(data), ReduceOp::kSum, CommPurpose::kLoss);
      EXPECT_TRUE(std::isnan(static_cast<float>(data[1])));
      EXPECT_EQ(static_cast<float>(data[0]), static_cast<float>(world.size()));
    }
  });
}

TEST(Split, OrdersByKeyAndNests) {
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    const int color = world.rank() % 2;
    const auto half = world.split(color, -world.rank(), CommAxis::kX);
    EXPECT_EQ(half->axis(), CommAxis::kX);
    EXPECT_EQ(half->size(), (world.size() + 1 - color) / 2);
    const int mine = world.rank();
    std::vector<int> members(static_cast<std::size_t>(half->size()));
    half->all_gather(std::span<const int>(&mine, 1), std::span(members), CommPurpose::kSetup);
    for (int r = 0; r < half->size(); ++r) {  // falling, as the keys rise with -rank
      EXPECT_EQ(members[static_cast<std::size_t>(r)], color + 2 * (half->size() - 1 - r));
    }
    const auto single = half->split(half->rank(), 0, CommAxis::kY);
    EXPECT_EQ(single->size(), 1);
    const auto again = half->split(3, half->rank(), CommAxis::kZ);
    std::int64_t sum = world.rank();
    again->all_reduce(std::span(&sum, 1), ReduceOp::kSum, CommPurpose::kSetup);
    EXPECT_EQ(sum, std::accumulate(members.begin(), members.end(), std::int64_t{0}));
    EXPECT_EQ(&again->traffic(), &world.traffic());
    EXPECT_THROW((void)world.split(-1, 0, CommAxis::kX), base::InvalidArgument);
  });
}

// Many operations under way on several groups, waited for in an order of each rank's own.
TEST(Requests, ManyOutstandingInAnyOrder) {
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    const auto row = world.split(world.rank() / 2, world.rank(), CommAxis::kX);
    const auto column = world.split(world.rank() % 2, world.rank(), CommAxis::kY);
    const std::array<Communicator*, 3> groups{&world, row.get(), column.get()};
    constexpr int kOperations = 60;
    std::vector<std::vector<std::int64_t>> sends(kOperations), receives(kOperations);
    std::vector<Request> requests;
    for (int k = 0; k < kOperations; ++k) {
      const auto i = static_cast<std::size_t>(k);
      Communicator& g = *groups[i % 3];
      const auto n = static_cast<std::size_t>(k % 4 == 0 ? 3 : 1500);
      const auto size = static_cast<std::size_t>(g.size());
      if (k % 2 == 0) {
        sends[i].assign(n, g.rank() + k);
        receives[i].assign(n * size, -1);
        requests.push_back(g.iall_gather(std::span<const std::int64_t>(sends[i]), std::span(receives[i]),
                                         CommPurpose::kForward));
      } else {
        receives[i].assign(n, g.rank() + k);
        requests.push_back(g.iall_reduce(std::span(receives[i]), ReduceOp::kSum, CommPurpose::kForward));
      }
    }
    std::vector<std::size_t> order(kOperations);
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = order.size(); i > 1; --i) {
      const auto w = base::philox({5, base::Purpose::kTest},
                                  {.step = static_cast<std::uint32_t>(world.rank()), .vertex = i});
      std::swap(order[i - 1], order[base::uniform_below(w[0], w[1], i)]);
    }
    for (const std::size_t i : order) {
      requests[i].wait();
      const Communicator& g = *groups[i % 3];
      const auto k = static_cast<std::int64_t>(i);
      const auto n = static_cast<std::size_t>(k % 4 == 0 ? 3 : 1500);
      for (std::size_t at = 0; at < receives[i].size(); ++at) {
        const std::int64_t wanted =
            k % 2 == 0 ? static_cast<std::int64_t>(at / n) + k : g.size() * k + g.size() * (g.size() - 1) / 2;
        ASSERT_EQ(receives[i][at], wanted) << "operation " << k << " element " << at;
      }
    }
  });
}

TEST(Requests, MovedAndDestroyedOnesComplete) {
  for_each_world({1, 2, 4}, [](Communicator& world) {
    std::vector<float> a(2000, 1.0F), b(2000, 2.0F);
    {
      Request first = world.iall_reduce(std::span(a), ReduceOp::kSum, CommPurpose::kForward);
      Request second = world.iall_reduce(std::span(b), ReduceOp::kSum, CommPurpose::kForward);
      first = std::move(second);  // waits for the first
      EXPECT_EQ(a[1999], static_cast<float>(world.size()));
    }
    EXPECT_EQ(b[0], 2 * static_cast<float>(world.size()));
    Request none;
    none.wait();
  });
}

TEST(Stress, RandomDelays) {
  for_each_world({2, 3, 4, 6, 8}, [](Communicator& world) {
    for (std::uint32_t k = 0; k < 150; ++k) {
      const auto w = base::philox({9, base::Purpose::kTest},
                                  {.step = k, .vertex = static_cast<std::uint64_t>(world.rank())});
      if (w[0] % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(w[1] % 300));
      const Index n = k % 3 == 0 ? 5 : 3001;
      auto data = inputs<std::int64_t>(world.rank(), n);
      world.all_reduce(std::span(data), ReduceOp::kSum, CommPurpose::kForward);
      ASSERT_EQ(static_cast<double>(data.back()),
                expected<std::int64_t>(world.size(), n - 1, ReduceOp::kSum));
      if (k % 10 == 0) world.barrier();
      std::vector<std::int64_t> all(static_cast<std::size_t>(world.size()));
      const std::int64_t mine = static_cast<std::int64_t>(k) * world.rank();
      world.all_gather(std::span<const std::int64_t>(&mine, 1), std::span(all), CommPurpose::kForward);
      ASSERT_EQ(all.back(), static_cast<std::int64_t>(k) * (world.size() - 1));
    }
  });
}

TEST(TrafficCounters, EqualTheFormulas) {
  for_each_world({1, 2, 3, 4, 6, 8}, [](Communicator& world) {
    const Index g = world.size();
    const auto ug = static_cast<std::size_t>(g);
    Traffic& t = world.traffic();
    const auto cell = [&](CommPurpose p) { return t.at(CommAxis::kWorld, p); };
    std::vector<float> n10(10), all(10 * ug);
    world.all_gather(std::span<const float>(n10), std::span(all), CommPurpose::kForward);
    EXPECT_EQ(cell(CommPurpose::kForward).bytes, (g - 1) * 40);
    world.reduce_scatter(std::span<const float>(all), std::span(n10), ReduceOp::kSum, CommPurpose::kBackward);
    EXPECT_EQ(cell(CommPurpose::kBackward).bytes, (g - 1) * 40);
    world.all_reduce(std::span(n10), ReduceOp::kSum, CommPurpose::kGradient);
    EXPECT_EQ(cell(CommPurpose::kGradient).bytes, (2 * 10 * (g - 1) + g - 1) / g * 4);
    std::vector<bfloat16> wire(10);
    world.all_reduce(std::span(wire), ReduceOp::kSum, CommPurpose::kNorm);
    EXPECT_EQ(cell(CommPurpose::kNorm).bytes, (2 * 10 * (g - 1) + g - 1) / g * 2);
    world.broadcast(std::span(n10), world.size() - 1, CommPurpose::kLoss);
    EXPECT_EQ(cell(CommPurpose::kLoss).bytes, world.rank() == world.size() - 1 ? 0 : 40);
    std::vector<Index> to, from;
    for (int r = 0; r < world.size(); ++r) {
      to.push_back(r + 1);
      from.push_back(world.rank() + 1);
    }
    std::vector<double> out(static_cast<std::size_t>(g * (g + 1) / 2)),
        in(static_cast<std::size_t>(g * (world.rank() + 1)));
    world.all_to_all_v(std::span<const double>(out), to, std::span(in), from, CommPurpose::kMetric);
    EXPECT_EQ(cell(CommPurpose::kMetric).bytes, (g - 1) * (world.rank() + 1) * 8);
    std::vector<double> own(static_cast<std::size_t>(world.rank() + 1));
    world.all_gather_v(std::span<const double>(own), std::span(out), to, CommPurpose::kCheckpoint);
    EXPECT_EQ(cell(CommPurpose::kCheckpoint).bytes, (g * (g + 1) / 2 - world.rank() - 1) * 8);
    const Index before = t.total_bytes();
    const auto sub = world.split(0, 0, CommAxis::kY);
    world.barrier();
    EXPECT_EQ(t.total_bytes(), before);
    EXPECT_EQ(cell(CommPurpose::kForward).calls, 1);
    sub->all_gather(std::span<const float>(n10), std::span(all), CommPurpose::kForward);
    EXPECT_EQ(t.bytes(CommAxis::kY), (g - 1) * 40);
    EXPECT_EQ(t.bytes(CommPurpose::kForward), 2 * (g - 1) * 40);
    EXPECT_EQ(t.total_bytes(), before + (g - 1) * 40);
    t.reset();
    EXPECT_EQ(t.total_bytes(), 0);
  });
}

// Messages in pieces of 64 bytes stand for counts above 2^31-1 (MPI; threads have no such limit);
// direct_ranks = 1 makes the library's own barrier and all_gather serve.
TEST(BigCounts, PiecesGiveTheSame) {
  for (const int direct : {1, 64}) {
    CommOptions options;
    options.chunk_bytes = 64;
    options.direct_ranks = direct;
    for_each_world(
        {1, 2, 3, 4},
        [](Communicator& world) {
          for (const Index n : {Index{1}, Index{16}, Index{17}, Index{1021}}) {
            auto data = inputs<float>(world.rank(), n * world.size());
            std::vector<float> part(static_cast<std::size_t>(n));
            world.reduce_scatter(std::span<const float>(data), std::span(part), ReduceOp::kSum,
                                 CommPurpose::kForward);
            ASSERT_EQ(part.back(), expected<float>(world.size(), (world.rank() + 1) * n - 1, ReduceOp::kSum));
            std::vector<float> back(data.size());
            world.all_gather(std::span<const float>(part), std::span(back), CommPurpose::kForward);
            world.all_reduce(std::span(data), ReduceOp::kSum, CommPurpose::kForward);
            ASSERT_TRUE(data == back);
            world.broadcast(std::span(part), 0, CommPurpose::kForward);
            ASSERT_TRUE(std::equal(part.begin(), part.end(), data.begin()));
            const std::vector<Index> counts(static_cast<std::size_t>(world.size()), n);
            world.all_to_all_v(std::span<const float>(data), counts, std::span(back), counts,
                               CommPurpose::kForward);
            ASSERT_EQ(back.back(), data[static_cast<std::size_t>((world.rank() + 1) * n - 1)]);
            world.all_gather_v(std::span<const float>(part), std::span(back), counts, CommPurpose::kForward);
            ASSERT_EQ(back.back(), part.back());
            world.barrier();
          }
        },
        options);
  }
}

TEST(Arguments, AreChecked) {
  for_each_world({1, 2}, [](Communicator& world) {
    std::vector<float> a(4), b(3);
    const std::vector<Index> one(static_cast<std::size_t>(world.size()), 1),
        wrong(static_cast<std::size_t>(world.size()) + 1, 1);
    const std::span<const float> ca(a);
    EXPECT_THROW(world.all_gather(ca, std::span(b), CommPurpose::kForward), base::DimensionMismatch);
    EXPECT_THROW(
        world.reduce_scatter(std::span<const float>(b), std::span(a), ReduceOp::kSum, CommPurpose::kForward),
        base::DimensionMismatch);
    EXPECT_THROW(world.broadcast(std::span(a), world.size(), CommPurpose::kForward), base::InvalidArgument);
    EXPECT_THROW(world.all_gather_v(ca, std::span(b), one, CommPurpose::kForward), base::DimensionMismatch);
    EXPECT_THROW(world.all_to_all_v(ca, wrong, std::span(b), wrong, CommPurpose::kForward),
                 base::DimensionMismatch);
    EXPECT_EQ(world.traffic().total_bytes(), 0);
  });
}

// Over MPI every rank receives the parts of all others before it sums them, in memory that is kept.
TEST(Staging, IsCounted) {
  for_each_world({1, 2, 3, 4}, [](Communicator& world) {
    const device::MemoryAccount* staging = world.staging();
    if (world.backend() != "mpi") {
      EXPECT_EQ(staging, nullptr);
      return;
    }
    EXPECT_EQ(world.split(0, world.rank(), world.axis())->staging(), staging);
    constexpr Index kCount = 50'000;
    const std::vector<double> send(static_cast<std::size_t>(kCount * world.size()), 1.0);
    std::vector<double> receive(static_cast<std::size_t>(kCount));
    const auto sum = [&] {
      world.reduce_scatter(std::span<const double>(send), std::span<double>(receive), ReduceOp::kSum,
                           CommPurpose::kOther);
    };
    sum();
    const std::size_t held = staging->now(), peak = staging->peak();
    EXPECT_GE(held, static_cast<std::size_t>(world.size() - 1) * kCount * sizeof(double));
    for (int again = 0; again < 3; ++again) sum();
    EXPECT_EQ(staging->now(), held);
    EXPECT_EQ(staging->peak(), peak);
  });
}

TEST(Measure, GivesCheckedRowsEqualOnAllRanks) {
  for_each_world({1, 2, 3}, [](Communicator& world) {
    const MeasureOptions options{.bytes = {1, 60000}, .repeats = 3};
    const std::vector<MeasureRow> rows = measure_collectives(world, options);
    ASSERT_EQ(rows.size(), 10U);
    for (const MeasureRow& row : rows) {
      EXPECT_EQ(row.ranks, world.size());
      EXPECT_GE(row.bytes, row.op == rows.front().op ? 1 : 0);
      EXPECT_LE(row.seconds_p10, row.seconds_median);
      EXPECT_LE(row.seconds_median, row.seconds_p90);
      EXPECT_EQ(row.received_bytes == 0, world.size() == 1);
      double median = row.seconds_median;
      world.broadcast(std::span(&median, 1), 0, CommPurpose::kOther);
      EXPECT_EQ(median, row.seconds_median);
    }
    EXPECT_EQ(rows[0].op, "all_gather");
    EXPECT_EQ(rows[1].received_bytes, rows[1].bytes / world.size() * (world.size() - 1));
    EXPECT_THROW((void)measure_collectives(world, {.bytes = {1}, .repeats = 0}), base::InvalidArgument);
    EXPECT_THROW((void)measure_collectives(world, {.bytes = {0}, .repeats = 1}), base::InvalidArgument);
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
