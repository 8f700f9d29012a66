// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Collectives by an MPI that is given memory of GPUs, under mpirun: the bits and the traffic of those staged
// through the host. On the host runtime an MPI that knows no GPU serves (CommOptions::gpu_aware_mpi = kOn).
#include <cstdlib>
#include <vector>

#include "base/random.hpp"
#include "comm/device_communicator.hpp"
#include "comm/mpi/gpu_communicator.hpp"
#include "comm/staged.hpp"
#include "device/transfer.hpp"
#include "support/gpu.hpp"
#include "support/ranks.hpp"

namespace opx::comm {
namespace {

/// One rank: its GPU, and its communicator both ways.
struct Rank {
  explicit Rank(Communicator& beneath)
      : world(beneath),
        context({.threads = 1, .gpu = 0}),
        staged(staged_communicator(context, beneath)),
        aware(device_communicator(context, beneath)) {}
  Communicator& world;
  device::Context context;
  std::unique_ptr<Communicator> staged, aware;
};

class GpuMpi : public test::GpuTest {
 protected:
  void SetUp() override {
    test::GpuTest::SetUp();
    if (!test::under_mpi()) GTEST_SKIP() << "under mpirun only";
    if (device::gpu::runtime_name() != "host" && !mpi::gpu_support().found)
      GTEST_SKIP() << mpi::gpu_support().how;
  }
  /// With several orders of streams, and messages in pieces.
  static void each_rank(base::FunctionRef<void(Rank&)> body) {
    for (const char* seed : {"1", "2", "3"}) {
      if (device::gpu::runtime_name() == "host") ::setenv("OPX_GPU_HOST_SEED", seed, 1);
      const CommOptions options{.timeout_seconds = 60,
                                .chunk_bytes = seed[0] == '2' ? 1000 : 0x40000000,
                                .gpu_aware_mpi = GpuAwareMpi::kOn};
      test::for_each_world(
          {},
          [&](Communicator& world) {
            Rank rank(world);
            body(rank);
            world.barrier();
          },
          options);
    }
  }
};

template <class T>
std::vector<T> inputs(int rank, Index n) {
  std::vector<T> values;
  for (Index i = 0; i < n; ++i) {
    const auto r = base::philox({9, base::Purpose::kTest}, {.layer = static_cast<std::uint32_t>(rank),
                                                            .vertex = static_cast<std::uint64_t>(i)});
    if constexpr (std::is_integral_v<T>)
      values.push_back(static_cast<T>(r[0] >> 4));
    else
      values.push_back(static_cast<T>(base::uniform_float(r[0]) * 64.0F - 32.0F));
  }
  return values;
}

/// Runs `collective(group, send, receive)` both ways on GPU memory that is still being written when it is
/// called; what is received and what is counted must be equal.
template <class T, class Collective>
void compare(Rank& rank, const std::vector<T>& send, std::size_t received, Collective&& collective) {
  std::vector<std::vector<T>> got;
  std::vector<std::int64_t> bytes, calls;
  for (Communicator* group : {rank.staged.get(), rank.aware.get()}) {
    const auto from = device::device_copy<T>(rank.context, std::span<const T>(send));
    const auto before = inputs<T>(rank.world.rank(), static_cast<Index>(received));
    auto to = device::device_copy<T>(rank.context, std::span<const T>(before));
    group->traffic().reset();
    collective(*group, from.span(), to.span());
    bytes.push_back(group->traffic().total_bytes());
    calls.push_back(group->traffic().at(CommAxis::kWorld, CommPurpose::kForward).calls);
    got.push_back(device::host_copy<T>(rank.context, std::span<const T>(to.span())));
  }
  ASSERT_TRUE(got[0] == got[1]) << "rank " << rank.world.rank();
  EXPECT_EQ(bytes[0], bytes[1]);
  EXPECT_EQ(calls[0], calls[1]);
}

template <class T>
void all_collectives(Rank& rank) {
  constexpr CommPurpose p = CommPurpose::kForward;
  const int me = rank.world.rank(), ranks = rank.world.size();
  for (const Index n : {0, 1, 5, 1000, 20003}) {
    const auto mine = inputs<T>(me, n), long_one = inputs<T>(me, n * ranks);
    for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMax}) {
      compare<T>(rank, {}, mine.size(),
                 [&](Communicator& c, std::span<const T>, std::span<T> data) { c.all_reduce(data, op, p); });
      compare<T>(rank, long_one, mine.size(),
                 [&](Communicator& c, std::span<const T> send, std::span<T> receive) {
                   c.reduce_scatter(send, receive, op, p);
                 });
    }
    compare<T>(rank, mine, long_one.size(),
               [&](Communicator& c, std::span<const T> send, std::span<T> receive) {
                 c.all_gather(send, receive, p);
               });
    compare<T>(rank, {}, mine.size(), [&](Communicator& c, std::span<const T>, std::span<T> data) {
      c.broadcast(data, ranks - 1, p);
    });
  }
}

TEST_F(GpuMpi, CollectivesEqualThoseThroughTheHost) {
  each_rank([](Rank& rank) {
    ASSERT_EQ(rank.aware->backend(), "mpi+gpu");
    all_collectives<float>(rank);
    all_collectives<bfloat16>(rank);
    all_collectives<std::int64_t>(rank);
  });
}

TEST_F(GpuMpi, PartsOfAnyLength) {
  const auto uneven = [](int from, int to, Index scale) {
    return (from * 5 + to * 3) % 4 * scale + (from == to ? 0 : from % 2);
  };
  each_rank([&](Rank& rank) {
    const int me = rank.world.rank(), ranks = rank.world.size();
    for (const Index scale : {0, 1, 13, 2003}) {
      std::vector<Index> gathered, sent, received;
      Index all = 0, out = 0, in = 0;
      for (int r = 0; r < ranks; ++r) {
        gathered.push_back(uneven(r, 1, scale));
        sent.push_back(uneven(me, r, scale));
        received.push_back(uneven(r, me, scale));
        all += gathered.back(), out += sent.back(), in += received.back();
      }
      compare<float>(rank, inputs<float>(me, gathered[static_cast<std::size_t>(me)]),
                     static_cast<std::size_t>(all),
                     [&](Communicator& c, std::span<const float> send, std::span<float> receive) {
                       c.all_gather_v(send, receive, gathered, CommPurpose::kForward);
                     });
      compare<float>(rank, inputs<float>(me, out), static_cast<std::size_t>(in),
                     [&](Communicator& c, std::span<const float> send, std::span<float> receive) {
                       c.all_to_all_v(send, sent, receive, received, CommPurpose::kForward);
                     });
    }
  });
}

// Several requests, waited for in the other order; groups that were split off, one of them of one rank;
// staging memory that goes round while kernels still read it.
TEST_F(GpuMpi, SeveralUnderWayInGroups) {
  each_rank([](Rank& rank) {
    constexpr std::size_t kPart = 3000;
    const int me = rank.world.rank();
    const auto group = rank.aware->split(me / 2, me, CommAxis::kX);
    const auto alone = rank.aware->split(me, 0, CommAxis::kY);
    ASSERT_EQ(group->backend(), "mpi+gpu");
    const auto mine = inputs<float>(me, kPart);
    for (int round = 0; round < 3; ++round) {
      const auto send = device::device_copy<float>(rank.context, std::span<const float>(mine));
      auto sum = device::device_copy<float>(rank.context, std::span<const float>(mine));
      device::Buffer<float> gathered(rank.context, static_cast<Index>(kPart) * group->size());
      device::Buffer<float> copied(rank.context, kPart);
      Request first = group->iall_gather(send.span(), gathered.span(), CommPurpose::kForward);
      Request second = rank.aware->iall_reduce(sum.span(), ReduceOp::kSum, CommPurpose::kGradient);
      Request third = alone->iall_gather(send.span(), copied.span(), CommPurpose::kForward);
      second.wait();
      third.wait();
      first.wait();
      const auto all = device::host_copy<float>(rank.context, std::span<const float>(gathered.span()));
      const auto total = device::host_copy<float>(rank.context, std::span<const float>(sum.span()));
      EXPECT_EQ(device::host_copy<float>(rank.context, std::span<const float>(copied.span())), mine);
      std::vector<float> want(kPart, 0.0F);
      for (int r = 0; r < rank.world.size(); ++r) {
        const auto other = inputs<float>(r, kPart);
        for (std::size_t i = 0; i < kPart; ++i) want[i] = r == 0 ? other[i] : want[i] + other[i];
        if (r / 2 != me / 2) continue;
        const auto at = all.begin() + static_cast<std::ptrdiff_t>(kPart) * (r % 2);
        EXPECT_TRUE(std::equal(other.begin(), other.end(), at));
      }
      EXPECT_EQ(total, want);
    }
  });
}

// Memory of the host, and of both, goes through the host as ever.
TEST_F(GpuMpi, HostMemoryGoesToTheRanksBeneath) {
  each_rank([](Rank& rank) {
    const int me = rank.world.rank(), ranks = rank.world.size();
    std::vector<double> data{1.5};
    rank.aware->all_reduce(std::span(data), ReduceOp::kSum, CommPurpose::kLoss);
    EXPECT_EQ(data[0], 1.5 * ranks);
    const auto mine = inputs<float>(me, 100);
    device::Buffer<float> all(rank.context, 100 * ranks);
    rank.aware->all_gather(std::span<const float>(mine), all.span(), CommPurpose::kForward);
    const auto got = device::host_copy<float>(rank.context, std::span<const float>(all.span()));
    const auto last = inputs<float>(ranks - 1, 100);
    EXPECT_TRUE(std::equal(last.begin(), last.end(), got.end() - 100));
  });
}

TEST_F(GpuMpi, OffStagesThroughTheHost) {
  test::for_each_world({},
                       [](Communicator& world) {
                         device::Context context({.threads = 1, .gpu = 0});
                         EXPECT_FALSE(mpi::takes_gpu_memory(world));
                         EXPECT_EQ(device_communicator(context, world)->backend(), "mpi");
                       },
                       {.gpu_aware_mpi = GpuAwareMpi::kOff});
  EXPECT_FALSE(mpi::gpu_support().how.empty());
}

}  // namespace
}  // namespace opx::comm
