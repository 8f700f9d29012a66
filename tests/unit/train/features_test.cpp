// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/features.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace opx::train {
namespace {

using graph::Split;

TEST(Features, RowsSumToOneInAbsoluteValue) {
  device::Context context({.threads = 1});
  const auto self = comm::self_communicator();
  std::vector<float> x{1, -3, 0, 0, 2, 2};
  const std::vector<Split> split(3, Split::kTrain);
  normalise_features(context, *self, "row", split, 3, {x.data(), 3, 2});
  EXPECT_EQ(x, (std::vector<float>{0.25F, -0.75F, 0, 0, 0.5F, 0.5F}));
}

TEST(Features, StandardOverTrainingVertices) {
  device::Context context({.threads = 2});
  const auto self = comm::self_communicator();
  // column 0 over the training rows {1, 3}: mean 2, std 1; column 1 does not vary: only centred; row 3 is
  // padded
  std::vector<float> x{1, 5, 3, 5, 10, 6, 0, 0};
  const std::vector<Split> split{Split::kTrain, Split::kTrain, Split::kTest, Split::kNone};
  normalise_features(context, *self, "standard", split, 3, {x.data(), 4, 2});
  EXPECT_EQ(x, (std::vector<float>{-1, 0, 1, 0, 8, 1, 0, 0}));
  const std::vector<Split> none(4, Split::kTest);
  EXPECT_THROW(normalise_features(context, *self, "standard", none, 3, {x.data(), 4, 2}),
               base::InvalidArgument);
  EXPECT_THROW(normalise_features(context, *self, "rows", none, 3, {x.data(), 4, 2}), base::InvalidArgument);
}

}  // namespace
}  // namespace opx::train
