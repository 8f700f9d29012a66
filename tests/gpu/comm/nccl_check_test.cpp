// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// CommOptions::check_collectives over the stand-in for NCCL: ranks that call different things all throw one
// error that names both calls, in place of waiting for ever; ranks that agree notice nothing.
#include <vector>

#include "device/transfer.hpp"
#include "support/gpu.hpp"
#include "support/nccl_ranks.hpp"

namespace opx::comm {
namespace {

using GpuNcclCheck = test::GpuTest;
using Rank = test::NcclRank;
const CommOptions kChecked{.timeout_seconds = 60, .check_collectives = true};

/// What the job of three ranks throws; every rank must have thrown it, or heard of it.
std::string failure(base::FunctionRef<void(Rank&, device::Buffer<float>&)> body) {
  try {
    run_threads(3, kChecked, [&](Communicator& world) {
      Rank rank(world);
      const std::vector<float> ones(12, 1.0F);
      auto data = device::device_copy<float>(rank.context, std::span<const float>(ones));
      body(rank, data);
      rank.context.gpu().synchronise();
      ADD_FAILURE() << "rank " << world.rank() << " went on";
    });
  } catch (const base::CommError& e) {
    return e.what();
  }
  return "";
}

void expect_in(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST_F(GpuNcclCheck, NamesCountTypeOperatorRootAndPurpose) {
  expect_in(
      failure([](Rank& rank, device::Buffer<float>& data) {
        const std::size_t n = rank.threads.rank() == 1 ? 12 : 10;
        rank.nccl->all_reduce(data.span().first(n), ReduceOp::kSum, CommPurpose::kGradient);
      }),
      "collectives over NCCL differ: rank 0 calls all_reduce of 10 x 4 bytes (sum, type float) for "
      "gradient on axis world, rank 1 calls all_reduce of 12 x 4 bytes (sum, type float) for gradient on "
      "axis world");
  expect_in(failure([](Rank& rank, device::Buffer<float>& data) {
              if (rank.threads.rank() == 2)
                rank.nccl->iall_reduce_raw(data.data(), 12, DataType::kInt32, ReduceOp::kSum,
                                           CommPurpose::kNorm);
              else
                rank.nccl->all_reduce(data.span(), ReduceOp::kSum, CommPurpose::kNorm);
            }),
            "rank 2 calls all_reduce of 12 x 4 bytes (sum, type int32) for norm");
  expect_in(
      failure([](Rank& rank, device::Buffer<float>& data) {
        const auto op = rank.threads.rank() == 0 ? ReduceOp::kMax : ReduceOp::kSum;
        rank.nccl->reduce_scatter(std::span<const float>(data.span()), data.span().first(4), op,
                                  CommPurpose::kForward);
      }),
      "rank 0 calls reduce_scatter of 4 x 4 bytes (max, type float) for forward on axis world, rank 1 calls "
      "reduce_scatter of 4 x 4 bytes (sum");
  expect_in(
      failure([](Rank& rank, device::Buffer<float>& data) {
        rank.nccl->broadcast(data.span(), rank.threads.rank() / 2, CommPurpose::kForward);
      }),
      "broadcast of 48 x 1 bytes from rank 0 for forward on axis world, rank 2 calls broadcast of 48 x 1 "
      "bytes from rank 1");
  expect_in(
      failure([](Rank& rank, device::Buffer<float>& data) {
        const auto p = rank.threads.rank() == 1 ? CommPurpose::kBackward : CommPurpose::kForward;
        rank.nccl->all_reduce(data.span(), ReduceOp::kSum, p);
      }),
      "for forward on axis world, rank 1 calls all_reduce of 12 x 4 bytes (sum, type float) for backward");
}

TEST_F(GpuNcclCheck, NamesDifferentCollectivesAndAxes) {
  expect_in(
      failure([](Rank& rank, device::Buffer<float>& data) {
        if (rank.threads.rank() == 0)
          rank.nccl->all_gather(std::span<const float>(data.span().first(4)), data.span(),
                                CommPurpose::kForward);
        else
          rank.nccl->all_reduce(data.span(), ReduceOp::kSum, CommPurpose::kForward);
      }),
      "rank 0 calls all_gather of 16 x 1 bytes for forward on axis world, rank 1 calls all_reduce of 12");
  expect_in(
      failure([](Rank& rank, device::Buffer<float>& data) {
        const int me = rank.threads.rank();
        const auto x = rank.nccl->split(0, me, CommAxis::kX), z = rank.nccl->split(0, me, CommAxis::kZ);
        (me == 1 ? z : x)->all_reduce(data.span(), ReduceOp::kSum, CommPurpose::kBackward);
      }),
      "for backward on axis X, rank 1 calls all_reduce of 12 x 4 bytes (sum, type float) for backward on "
      "axis Z");
}

// One rank reduces memory of the host: over the ranks beneath, which compare by themselves.
TEST_F(GpuNcclCheck, NamesACollectiveOfTheHost) {
  const std::string text = failure([](Rank& rank, device::Buffer<float>& data) {
    float here = 0;
    const std::span<float> which = rank.threads.rank() == 1 ? std::span(&here, 1) : data.span();
    rank.nccl->all_reduce(which, ReduceOp::kSum, CommPurpose::kForward);
  });
  expect_in(text, "rank 1");
  expect_in(text, "all_reduce");
}

TEST_F(GpuNcclCheck, NamesThePairWhoseBytesDiffer) {
  expect_in(failure([](Rank& rank, device::Buffer<float>& data) {
              const int me = rank.threads.rank();
              const std::vector<Index> sent{1, 1, 1};
              const std::vector<Index> received{1, 1, me == 1 ? 2 : 1};
              const auto all = std::span<const float>(data.span());
              rank.nccl->all_to_all_v(all.first(3), sent, data.span().subspan(4, me == 1 ? 4 : 3), received,
                                      CommPurpose::kForward);
            }),
            "all_to_all_v on axis world: rank 2 sends 4 bytes to rank 1, which expects 8");
  expect_in(
      failure([](Rank& rank, device::Buffer<float>& data) {
        const int me = rank.threads.rank();
        const std::vector<Index> counts = me == 0 ? std::vector<Index>{1, 2, 1} : std::vector<Index>{1, 1, 2};
        const auto mine = static_cast<std::size_t>(counts[static_cast<std::size_t>(me)]);
        rank.nccl->all_gather_v(std::span<const float>(data.span().first(mine)), data.span().subspan(4, 4),
                                counts, CommPurpose::kForward);
      }),
      "all_gather_v on axis world: rank 1 sends 4 bytes to rank 0, which expects 8");
}

// Groups of different sizes and counts on one axis, a group of one among them; the comparisons are no
// traffic.
TEST_F(GpuNcclCheck, RanksThatAgreeGoOn) {
  test::with_nccl_ranks(
      {3},
      [](Rank& rank) {
        const int me = rank.threads.rank();
        ASSERT_TRUE(rank.nccl->checks_collectives());
        const auto group = rank.nccl->split(me == 2 ? 1 : 0, me, CommAxis::kX);
        const auto n = static_cast<std::size_t>(me == 2 ? 7 : 3);
        const std::vector<float> ones(n, 1.0F);
        auto data = device::device_copy<float>(rank.context, std::span<const float>(ones));
        rank.threads.traffic().reset();
        group->all_reduce(data.span(), ReduceOp::kSum, CommPurpose::kForward);
        EXPECT_EQ(rank.threads.traffic().total_bytes(), me == 2 ? 0 : 12);
        EXPECT_EQ(rank.threads.traffic().at(CommAxis::kX, CommPurpose::kForward).calls, 1);
        const auto got = device::host_copy<float>(rank.context, std::span<const float>(data.span()));
        EXPECT_EQ(got, std::vector<float>(n, me == 2 ? 1.0F : 2.0F));
        rank.threads.barrier();
      },
      kChecked);
}

}  // namespace
}  // namespace opx::comm
