// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/sharded_loss.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace opx::parallel {
namespace {

// Sizes around the pieces in which the sum is made: no piece may be lost.
TEST(ShardedLoss, IsTheSumOverAllRowsWhateverTheirNumber) {
  device::Context context({.threads = 2});
  const auto self = comm::self_communicator();
  constexpr Index kClasses = 5;
  for (const Index rows : {0, 1, 511, 512, 513, 1023, 1025, 2600, 5000}) {
    tensor::Matrix<float> logits(context, rows, kClasses);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
    double expected = 0;
    for (Index i = 0; i < rows; ++i) {
      double sum = 0;
      for (Index c = 0; c < kClasses; ++c) {
        const auto bits = base::philox({1, base::Purpose::kTest}, {.vertex = static_cast<std::uint64_t>(i),
                                                                   .word = static_cast<std::uint32_t>(c)});
        logits(i, c) = 4 * base::uniform_float(bits[0]) - 2;
        sum += std::exp(static_cast<double>(logits(i, c)));
      }
      const auto label = static_cast<std::int32_t>(i % (kClasses + 1)) - 1;  // some rows have none
      labels[static_cast<std::size_t>(i)] = label;
      if (label >= 0) expected += std::log(sum) - static_cast<double>(logits(i, label));
    }
    const double loss = sharded_cross_entropy(context, *self, logits.view(), {0, kClasses}, labels, 1.0);
    EXPECT_NEAR(loss, expected, 1e-5 * expected + 1e-12) << rows;
  }
}

}  // namespace
}  // namespace opx::parallel
