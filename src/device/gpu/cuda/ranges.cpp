// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Scopes of the clock as NVTX ranges: Nsight Systems then shows phases and collectives above the kernels that
// they launch. Without a profiler a range is a call through a null pointer's test.
#include <nvtx3/nvToolsExt.h>

#include "device/gpu/device.hpp"

namespace opx::device::gpu {
namespace {

nvtxDomainHandle_t domain() noexcept {
  static const nvtxDomainHandle_t kDomain = nvtxDomainCreateA("orthoplex");
  return kDomain;
}

void begin(std::string_view label) noexcept {
  nvtxEventAttributes_t range{};
  range.version = NVTX_VERSION;
  range.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  range.messageType = NVTX_MESSAGE_TYPE_ASCII;
  range.message.ascii = label.data();
  static_cast<void>(nvtxDomainRangePushEx(domain(), &range));
}

void end() noexcept { static_cast<void>(nvtxDomainRangePop(domain())); }

}  // namespace

const base::RangeListener* profiler_ranges() noexcept {
  static constexpr base::RangeListener kRanges{begin, end};
  return &kRanges;
}

}  // namespace opx::device::gpu
