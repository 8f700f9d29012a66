// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests that need a GPU are skipped where there is none.
#pragma once

#include <memory>

#include <gtest/gtest.h>

#include "device/context.hpp"
#include "device/gpu/device.hpp"

namespace opx::test {

/// A Context on GPU 0, whose order (host runtime) is seeded by OPX_GPU_HOST_SEED.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (device::gpu::count() == 0) GTEST_SKIP() << "no GPU on this machine or in this build";
    context_ = std::make_unique<device::Context>(device::ContextOptions{.threads = 1, .gpu = 0});
  }
  device::Context& context() { return *context_; }
  device::gpu::Device& gpu() { return context_->gpu(); }

 private:
  std::unique_ptr<device::Context> context_;
};

}  // namespace opx::test
