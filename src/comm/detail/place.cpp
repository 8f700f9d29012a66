// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/detail/place.hpp"

#include "device/gpu/device.hpp"

namespace opx::comm::detail {

bool on_gpu(std::initializer_list<Place> places, CommPurpose p) noexcept {
  bool all = true, none = true;
  for (const Place& place : places) {
    if (place.bytes == 0) continue;
    none = false;
    all = all && device::gpu::Device::is_device_memory(place.data);
  }
  if (!none) return all;
  return p == CommPurpose::kForward || p == CommPurpose::kBackward || p == CommPurpose::kGradient ||
         p == CommPurpose::kNorm;
}

}  // namespace opx::comm::detail
