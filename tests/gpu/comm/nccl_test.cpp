// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The NCCL communicator's own logic over a stand-in for NCCL on the host runtime: every collective equals
// that of ranks as threads to the bit and counts the same traffic; streams are ordered; errors reach all
// ranks.
#include <chrono>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "comm/device_communicator.hpp"
#include "device/transfer.hpp"
#include "support/gpu.hpp"
#include "support/nccl_ranks.hpp"

namespace opx::comm {
namespace {

constexpr Index kSizes[] = {0, 1, 5, 1000, 5003};

using Rank = test::NcclRank;

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

/// Runs `collective(group, send, receive)` on GPU memory over NCCL and on host memory over threads; what is
/// received and what is counted must be equal. `send` and `receive` are spans, received ones begin as
/// `before`.
template <class T, class Collective>
void compare(Rank& rank, const std::vector<T>& send, const std::vector<T>& before, Collective&& collective) {
  std::vector<T> want = before;
  rank.threads.traffic().reset();
  collective(rank.threads, std::span<const T>(send), std::span<T>(want));
  const std::int64_t bytes = rank.threads.traffic().total_bytes();

  const auto from = device::device_copy<T>(rank.context, std::span<const T>(send));
  auto to = device::device_copy<T>(rank.context, std::span<const T>(before));
  rank.threads.traffic().reset();
  collective(*rank.nccl, from.span(), to.span());
  rank.context.gpu().synchronise();  // the host runtime's streams run only where somebody waits
  const auto got = device::host_copy<T>(rank.context, std::span<const T>(to.span()));
  ASSERT_TRUE(got == want) << rank.nccl->rank() << " of " << rank.nccl->size();
  ASSERT_EQ(rank.threads.traffic().total_bytes(), bytes);
}

template <class T>
void all_collectives(Rank& rank) {
  const int me = rank.threads.rank(), ranks = rank.threads.size();
  for (const Index n : kSizes) {
    const auto mine = inputs<T>(me, n), long_one = inputs<T>(me, n * ranks);
    for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMax}) {
      compare<T>(rank, {}, mine, [&](Communicator& c, std::span<const T>, std::span<T> data) {
        c.all_reduce(data, op, CommPurpose::kGradient);
      });
      compare<T>(rank, long_one, std::vector<T>(mine.size()),
                 [&](Communicator& c, std::span<const T> send, std::span<T> receive) {
                   c.reduce_scatter(send, receive, op, CommPurpose::kBackward);
                 });
    }
    compare<T>(rank, mine, std::vector<T>(long_one.size()),
               [&](Communicator& c, std::span<const T> send, std::span<T> receive) {
                 c.all_gather(send, receive, CommPurpose::kForward);
               });
    compare<T>(rank, {}, mine, [&](Communicator& c, std::span<const T>, std::span<T> data) {
      c.broadcast(data, ranks - 1, CommPurpose::kForward);
    });
  }
}

class GpuNccl : public test::GpuTest {
 protected:
  void TearDown() override { test::fake_nccl_error(ncclSuccess); }
};

TEST_F(GpuNccl, CollectivesEqualThoseOfThreads) {
  test::with_nccl_ranks({1, 2, 3, 4}, [](Rank& rank) {
    EXPECT_EQ(rank.nccl->backend(), "nccl");
    all_collectives<float>(rank);
    all_collectives<bfloat16>(rank);
    all_collectives<std::int64_t>(rank);
  });
}

// Counts that differ by rank and pair, zeros among them.
Index uneven(int from, int to, Index scale) {
  return (from * 5 + to * 3) % 4 * scale + (from == to ? 0 : from % 2);
}

TEST_F(GpuNccl, PartsOfAnyLength) {
  test::with_nccl_ranks({1, 2, 3, 5}, [](Rank& rank) {
    const int me = rank.threads.rank(), ranks = rank.threads.size();
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
                     std::vector<float>(static_cast<std::size_t>(all)),
                     [&](Communicator& c, std::span<const float> send, std::span<float> receive) {
                       c.all_gather_v(send, receive, gathered, CommPurpose::kForward);
                     });
      compare<float>(rank, inputs<float>(me, out), std::vector<float>(static_cast<std::size_t>(in)),
                     [&](Communicator& c, std::span<const float> send, std::span<float> receive) {
                       c.all_to_all_v(send, sent, receive, received, CommPurpose::kForward);
                     });
    }
  });
}

TEST_F(GpuNccl, GatherInPlaceAndSeveralUnderWay) {
  test::with_nccl_ranks({2, 4}, [](Rank& rank) {
    constexpr Index kPart = 700;
    const int me = rank.threads.rank(), ranks = rank.threads.size();
    const auto pair = rank.nccl->split(me / 2, me % 2, CommAxis::kX);
    const auto other = rank.nccl->split(me % 2, me / 2, CommAxis::kY);
    EXPECT_EQ(pair->backend(), "nccl");
    device::Buffer<float> warm(rank.context, 2);  // NCCL's communicators are made
    pair->broadcast(warm.span(), 0, CommPurpose::kForward);
    rank.context.gpu().synchronise();
    other->broadcast(warm.span(), 0, CommPurpose::kForward);
    rank.context.gpu().synchronise();
    const auto mine = inputs<float>(me, kPart);
    const auto width = static_cast<std::size_t>(kPart);
    device::Buffer<float> gathered(rank.context, kPart * pair->size()), sum(rank.context, kPart);
    const std::span<float> own =
        gathered.span().subspan(width * static_cast<std::size_t>(pair->rank()), width);
    device::detail::copy_to_device(rank.context, own.data(), mine.data(), width * sizeof(float));
    device::detail::copy_to_device(rank.context, sum.data(), mine.data(), width * sizeof(float));
    Request first = pair->iall_gather(std::span<const float>(own), gathered.span(), CommPurpose::kForward);
    Request second = other->iall_reduce(sum.span(), ReduceOp::kSum, CommPurpose::kForward);
    second.wait();
    first.wait();
    const auto got = device::host_copy<float>(rank.context, std::span<const float>(gathered.span()));
    const auto total = device::host_copy<float>(rank.context, std::span<const float>(sum.span()));
    for (std::size_t i = 0; i < width; ++i) {
      float want = 0;
      for (int r = me % 2; r < ranks; r += 2) want += inputs<float>(r, kPart)[i];
      ASSERT_EQ(total[i], want);
      for (int r = 0; r < 2; ++r)
        ASSERT_EQ(got[static_cast<std::size_t>(r) * width + i], inputs<float>(me / 2 * 2 + r, kPart)[i]);
      i += 97;
    }
    rank.threads.barrier();
  });
}

TEST_F(GpuNccl, HostMemoryGoesToTheRanksBeneath) {
  test::with_nccl_ranks({2}, [](Rank& rank) {
    std::vector<double> data{1.5};
    rank.nccl->all_reduce(std::span(data), ReduceOp::kSum, CommPurpose::kLoss);
    EXPECT_EQ(data[0], 3.0);
    // Every rank computes on the one GPU of the host runtime: NCCL would refuse that.
    EXPECT_EQ(device_communicator(rank.context, rank.threads)->backend(), "threads");
  });
}

std::string failure(int ranks, base::FunctionRef<void(Rank&)> body, double timeout = 600) {
  try {
    run_threads(ranks, {.timeout_seconds = 60}, [&](Communicator& world) {
      Rank rank(world, timeout);
      body(rank);
    });
  } catch (const base::Error& e) {
    return e.what();
  }
  return "";
}

/// Collectives until one throws.
void go_on(Rank& rank) {
  device::Buffer<float> data(rank.context, 8);
  for (int i = 0; i < 1000; ++i) {
    rank.nccl->all_reduce(data.span(), ReduceOp::kSum, CommPurpose::kForward);
    rank.context.gpu().synchronise();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

TEST_F(GpuNccl, AsynchronousErrorsEndTheJob) {
  const std::string text = failure(3, [](Rank& rank) {
    rank.threads.barrier();
    if (rank.threads.rank() == 1) test::fake_nccl_error(ncclSystemError);
    go_on(rank);
  });
  EXPECT_NE(text.find("unhandled system error"), std::string::npos) << text;
}

TEST_F(GpuNccl, ARankThatFailsFreesTheOthers) {
  const std::string text = failure(3, [](Rank& rank) {
    device::Buffer<float> data(rank.context, 8);
    rank.nccl->all_reduce(data.span(), ReduceOp::kSum, CommPurpose::kForward);
    rank.context.gpu().synchronise();
    if (rank.threads.rank() == 2) throw base::InputError("a broken disk");
    go_on(rank);
  });
  EXPECT_NE(text.find("a broken disk"), std::string::npos) << text;
}

TEST_F(GpuNccl, TheWatchdogNamesTheCollective) {
  const std::string text = failure(
      2,
      [](Rank& rank) {
        device::Buffer<float> data(rank.context, 8);
        rank.nccl->all_reduce(data.span(), ReduceOp::kSum, CommPurpose::kForward);
        rank.context.gpu().synchronise();
        if (rank.threads.rank() == 0) go_on(rank);
        rank.threads.barrier();  // rank 0 is elsewhere
      },
      0.5);
  EXPECT_NE(text.find("all_reduce on axis world for forward has waited"), std::string::npos) << text;
}

}  // namespace
}  // namespace opx::comm
