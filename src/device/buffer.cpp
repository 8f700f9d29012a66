// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/buffer.hpp"

#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "device/gpu/device.hpp"

namespace opx::device::detail {
namespace {
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kHugeFrom = std::size_t{4} << 20;

void* allocate_host(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHugeFrom ? kHugePage : kAlignment;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* pointer = std::aligned_alloc(alignment, rounded);
  OPX_REQUIRE(pointer != nullptr, OutOfMemory, "no memory for a buffer of {}",
              base::format_bytes(static_cast<double>(bytes)));
  if (bytes >= kHugeFrom) ::madvise(pointer, rounded, MADV_HUGEPAGE);  // advice only: refusal changes nothing
  return pointer;
}

void* allocate_gpu(Context& context, std::size_t bytes) {
  try {
    return context.gpu().allocate(bytes, context.gpu().compute());
  } catch (const base::OutOfMemory& error) {
    throw base::OutOfMemory(fmt::format("{}: {}", context.memory_use(), error.what()));
  }
}

}  // namespace

void* allocate(Context& context, std::size_t bytes) {
  void* pointer = context.on_gpu() ? allocate_gpu(context, bytes) : allocate_host(bytes);
  context.memory().add(bytes);
  return pointer;
}

void deallocate(Context& context, void* pointer, std::size_t bytes) noexcept {
  context.memory().remove(bytes);
  if (context.on_gpu())
    context.gpu().deallocate(pointer, bytes, context.gpu().compute());
  else
    std::free(pointer);
}

void copy(Context& context, void* to, const void* from, std::size_t bytes) {
  if (context.on_gpu())
    context.gpu().copy(to, from, bytes, context.gpu().compute());
  else
    std::memcpy(to, from, bytes);
}

}  // namespace opx::device::detail
