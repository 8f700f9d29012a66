// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/buffer.hpp"

#include <cstdlib>

#include <sys/mman.h>

#include "base/error.hpp"
#include "base/text.hpp"

namespace opx::device::detail {
namespace {
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kHugeFrom = std::size_t{4} << 20;
}  // namespace

void* allocate(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHugeFrom ? kHugePage : kAlignment;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* pointer = std::aligned_alloc(alignment, rounded);
  OPX_REQUIRE(pointer != nullptr, OutOfMemory, "no memory for a buffer of {}",
              base::format_bytes(static_cast<double>(bytes)));
  if (bytes >= kHugeFrom) ::madvise(pointer, rounded, MADV_HUGEPAGE);  // advice only: refusal changes nothing
  return pointer;
}

void deallocate(void* pointer, std::size_t) noexcept { std::free(pointer); }

}  // namespace opx::device::detail
