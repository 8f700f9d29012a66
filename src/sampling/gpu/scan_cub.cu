// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <cub/device/device_scan.cuh>

#include "base/error.hpp"
#include "sampling/gpu/scan.hpp"

namespace opx::sampling::gpu {
namespace {

void check(cudaError_t code, Index n) {
  OPX_REQUIRE(code == cudaSuccess, DeviceError, "cub::DeviceScan of {} entries: {}", n,
              cudaGetErrorString(code));
}

}  // namespace

std::size_t scan_bytes(device::gpu::Device& device, Index n) {
  device.make_current();
  std::size_t bytes = 0;
  check(cub::DeviceScan::InclusiveSum(nullptr, bytes, static_cast<const Index*>(nullptr),
                                      static_cast<Index*>(nullptr), static_cast<int>(n)),
        n);
  return bytes;
}

void inclusive_sum(device::gpu::Device& device, device::gpu::Stream stream, Index* values, Index n,
                   void* scratch, std::size_t scratch_bytes) {
  if (n == 0) return;
  device.make_current();
  check(cub::DeviceScan::InclusiveSum(scratch, scratch_bytes, static_cast<const Index*>(values), values,
                                      static_cast<int>(n), static_cast<cudaStream_t>(stream.native)),
        n);
  device.count_launch("cub_inclusive_sum");
}

}  // namespace opx::sampling::gpu
