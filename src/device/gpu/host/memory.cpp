// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/gpu/host/memory.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "base/text.hpp"

namespace opx::device::gpu::host {
namespace {

// Allocations of all Devices of the process, by address: is_device_memory() is asked without a Device.
struct Registry {
  std::mutex mutex;
  std::array<std::map<const std::byte*, std::size_t>, 2> held;
  std::atomic<std::size_t> used{0};
};

Registry& registry() {
  static Registry all;
  return all;
}

}  // namespace

std::size_t memory_total() {
  constexpr std::size_t kTotal = std::size_t{16} << 30;
  const char* text = std::getenv("OPX_GPU_HOST_MEMORY");
  return text != nullptr ? static_cast<std::size_t>(base::parse_bytes(text, "OPX_GPU_HOST_MEMORY")) : kTotal;
}

std::size_t memory_free() {
  const std::size_t used = registry().used.load(), total = memory_total();
  return used < total ? total - used : 0;
}

void* take(std::size_t bytes, Kind kind) {
  Registry& all = registry();
  void* pointer = nullptr;
  const bool fits = kind == Kind::kPinned || bytes <= memory_free();
  // posix_memalign keeps the exact size, so that the wall begins at the last byte.
  if (fits && ::posix_memalign(&pointer, 256, std::max<std::size_t>(bytes, 1)) != 0) pointer = nullptr;
  if (pointer == nullptr) return nullptr;
  if (kind == Kind::kDevice) all.used += bytes;
  const std::lock_guard lock(all.mutex);
  all.held[static_cast<std::size_t>(kind)].emplace(static_cast<const std::byte*>(pointer), bytes);
  return pointer;
}

void forget(void* pointer, std::size_t bytes, Kind kind) noexcept {
  Registry& all = registry();
  if (kind == Kind::kDevice) all.used -= bytes;
  const std::lock_guard lock(all.mutex);
  all.held[static_cast<std::size_t>(kind)].erase(static_cast<const std::byte*>(pointer));
}

void release(void* pointer) noexcept { std::free(pointer); }

bool lies_in(const void* pointer, Kind kind) noexcept {
  Registry& all = registry();
  const auto* p = static_cast<const std::byte*>(pointer);
  const std::lock_guard lock(all.mutex);
  const auto& held = all.held[static_cast<std::size_t>(kind)];
  auto after = held.upper_bound(p);
  if (after == held.begin()) return false;
  --after;
  return p < after->first + std::max<std::size_t>(after->second, 1);
}

void forbid([[maybe_unused]] void* pointer, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(pointer, bytes);
#endif
}

void permit([[maybe_unused]] void* pointer, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(pointer, bytes);
#endif
}

}  // namespace opx::device::gpu::host
