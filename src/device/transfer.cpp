// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/transfer.hpp"

#include <cstring>

#include "device/gpu/device.hpp"

namespace opx::device::detail {

void copy_to_host(Context& context, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  if (!context.on_gpu()) {
    std::memcpy(to, from, bytes);
    return;
  }
  context.gpu().copy(to, from, bytes, context.gpu().compute());
  context.gpu().synchronise(context.gpu().compute());  // pinned memory: the copy has not waited
}

void copy_to_device(Context& context, void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  if (!context.on_gpu()) {
    std::memcpy(to, from, bytes);
    return;
  }
  context.gpu().copy(to, from, bytes, context.gpu().compute());
}

void fill_bytes(Context& context, void* to, int byte, std::size_t bytes) {
  if (bytes == 0) return;
  if (context.on_gpu())
    context.gpu().fill_bytes(to, byte, bytes, context.gpu().compute());
  else
    std::memset(to, byte, bytes);
}

}  // namespace opx::device::detail
