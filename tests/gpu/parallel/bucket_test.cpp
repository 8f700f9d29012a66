// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The gradient bucket over NCCL: parts travel while the compute stream fills the rest, and the host waits for
// nothing.
#include <vector>

#include "device/transfer.hpp"
#include "parallel/gradient_bucket.hpp"
#include "support/gpu.hpp"
#include "support/nccl_ranks.hpp"
#include "tensor/elementwise.hpp"

namespace opx::parallel {
namespace {

using GpuBucket = test::GpuTest;

TEST_F(GpuBucket, PartsTravelBesideTheRestOfTheBackwardPass) {
  constexpr Index kParts = 4, kPart = 700, kRounds = 3;
  test::with_nccl_ranks({2, 4}, [](test::NcclRank& rank) {
    device::Buffer<float> data(rank.context, kParts * kPart);
    device::Buffer<float> work(rank.context, kPart);  // what the backward pass goes on with
    GradientBucket bucket(rank.context, *rank.nccl, data.span(), 1);
    const auto ranks = static_cast<float>(rank.nccl->size());
    for (Index round = 0; round < kRounds; ++round) {
      rank.context.gpu().reset_counters();
      const auto value = [&](Index part, int r) { return static_cast<float>(round * 64 + part * 8 + r); };
      for (Index part = kParts - 1; part >= 0; --part) {
        tensor::fill(rank.context, value(part, rank.nccl->rank()), {work.data(), 1, kPart});
        tensor::copy(rank.context, tensor::MatrixView<const float>(work.data(), 1, kPart),
                     {data.data() + part * kPart, 1, kPart});
        bucket.ready_from(part * kPart);
      }
      tensor::fill(rank.context, -1, {work.data(), 1, kPart});
      bucket.finish();
      EXPECT_EQ(rank.context.gpu().counters().synchronisations, 0);
      EXPECT_GE(rank.context.gpu().counters().waits, 2 * kParts);
      const auto sums = device::host_copy(rank.context, std::as_const(data).span());
      for (Index part = 0; part < kParts; ++part) {
        const float want = ranks * value(part, 0) + ranks * (ranks - 1) / 2;
        for (const Index i : {Index{0}, kPart / 2, kPart - 1})
          ASSERT_EQ(sums[static_cast<std::size_t>(part * kPart + i)], want) << round << " " << part;
      }
    }
  });
}

}  // namespace
}  // namespace opx::parallel
