// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs a grid on the calling thread, block after block in an order that the seed shuffles.
#pragma once

#include <cstdint>
#include <functional>

#include "base/types.hpp"

namespace opx::device::gpu::host {

struct Grid {
  const char* kernel;
  Index blocks;
  int threads;
  std::size_t dynamic_shared;
  std::uint64_t seed;
};

/// Throws DeviceError naming the kernel where threads diverge at a barrier, and what the kernel throws.
void run_grid(const Grid& grid, const std::function<void()>& body);

/// splitmix64: the next number of a sequence.
inline std::uint64_t next_random(std::uint64_t& state) noexcept {
  std::uint64_t z = state += 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

}  // namespace opx::device::gpu::host
