// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What this machine can do at best, measured between the repeats of a benchmark.
#pragma once

#include "device/buffer.hpp"
#include "device/context.hpp"

namespace opx::bench {

/// Streams larger than any cache, and a loop of fused multiply-adds that needs no memory.
class Machine {
 public:
  explicit Machine(device::Context& context);
  /// Bytes per second of y = x + s z, three streams counted.
  double triad();
  /// fp32 operations per second over all threads of the context.
  double peak_flops();

 private:
  device::Context& context_;
  device::Buffer<float> x_, y_, z_;
  volatile float sink_ = 0;
};

}  // namespace opx::bench
