// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Samplers do not allocate after the first draw.
#include <gtest/gtest.h>

#include "support/allocations.hpp"
#include "unit/sampling/support.hpp"

namespace opx::sampling {
namespace {

TEST(Samplers, DoNotAllocateAfterTheFirstDraw) {
  const auto store = test::hub_store(3000, 4);
  const layout::Grid grid{.gx = 2, .gy = 2, .gz = 2};
  for (const Kind kind :
       {Kind::kStratified, Kind::kUniform, Kind::kDegree, Kind::kTrain, Kind::kCluster, Kind::kSaintWalk}) {
    const auto sampler = make_sampler(store, grid, blocks_of_rank(grid, {.x = 1, .z = 1}, 3),
                                      {.kind = kind, .ratio = 0.1, .seed = 5, .presamples = 2});
    Selection s;
    sampler->draw(0, 0, s);
    const long before = test::allocations();
    for (Index epoch = 0; epoch < 20; ++epoch)
      for (Index i = 0; i < sampler->batches(); ++i) sampler->draw(epoch, i, s);
    EXPECT_EQ(test::allocations() - before, 0) << name(kind);
  }
}

}  // namespace
}  // namespace opx::sampling
