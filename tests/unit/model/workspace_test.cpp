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

TEST(Workspace, AlignedRowsStartOnLinesWhereThatIsCheap) {
  device::Context context({.threads = 1});
  Workspace workspace(context);
  EXPECT_EQ(workspace.take(3, 47).view().ld, 47);
  workspace.align_rows();
  const Array wide = workspace.take(3, 47), narrow = workspace.take(3, 5);
  EXPECT_EQ(wide.view().ld, 48);
  EXPECT_EQ(wide.cols(), 47);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(wide.view().row(1)) % 64, 0U);
  EXPECT_EQ(narrow.view().ld, 5);
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
