// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What launch() of kernel.cuh does before and after the launch itself.
#pragma once

#include "device/gpu/device.hpp"

namespace opx::device::gpu::cuda {

struct Launch {
  const char* kernel;    ///< its name
  const void* function;  ///< the __global__ function
  int most_threads;
  Index blocks;
  int threads;
  std::size_t dynamic_shared;
};

/// Throws DeviceError for a shape that the GPU or the kernel does not take; then counts the launch, makes
/// the Device's GPU the calling thread's, and lets the function have its dynamic shared memory.
void before_launch(Device& device, const Launch& launch);
/// Throws what the launch (or, with OPX_GPU_DEBUG=1, the kernel) says.
void after_launch(Device& device, Stream stream, const char* kernel);

}  // namespace opx::device::gpu::cuda
