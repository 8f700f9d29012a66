// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/workspace.hpp"

#include <gtest/gtest.h>

namespace opx::model {
namespace {

TEST(Workspace, ReusesWhatNobodyHolds) {
  device::Context context({.threads = 1});
  Workspace workspace(context);
  Array a = workspace.take(10, 8);
  float* data = a.view().data;
  Array shared = a;
  a.reset();
  EXPECT_NE(workspace.take(10, 8).view().data, data) << "still held by a second handle";
  shared.reset();
  Array smaller = workspace.take(10, 7), other = workspace.take(10, 8);
  EXPECT_NE(smaller.view().data, other.view().data);
  EXPECT_EQ(context.memory().now(), 2 * 80 * sizeof(float)) << "both came from the pool";
}

TEST(Workspace, ANarrowMatrixLeavesWideBuffersAlone) {
  device::Context context({.threads = 1});
  Workspace workspace(context);
  (void)workspace.take(10, 128);
  const Array narrow = workspace.take(10, 47);
  EXPECT_EQ(context.memory().now(), 10 * (128 + 47) * sizeof(float));
  workspace.trim();
  EXPECT_EQ(context.memory().now(), 10 * 47 * sizeof(float));
}

TEST(Workspace, BorrowedArraysOwnNothing) {
  float x[6] = {};
  Array a = Array::borrow({x, 2, 3});
  EXPECT_EQ(a.rows(), 2);
  EXPECT_EQ(a.cols(), 3);
  EXPECT_FALSE(a.empty());
  a.reset();
  EXPECT_TRUE(a.empty());
}

}  // namespace
}  // namespace opx::model
