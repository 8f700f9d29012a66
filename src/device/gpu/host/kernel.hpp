// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What api.hpp promises, on the CPU: a block's threads are fibers of one system thread, which change only
// where a thread waits for others (scheduler.cpp). For tests: never in a release.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <type_traits>

#include "device/gpu/device.hpp"

#define OPX_DEVICE

namespace opx::device::gpu {

namespace host {

/// Where the running thread of the running block is. One a system thread; set by the scheduler.
struct Place {
  int thread = 0, block_threads = 0;
  Index block = 0, blocks = 0;
};
inline constinit thread_local Place place;

/// Waits until all threads of the block (or 32 lanes of the warp) wait at the same line of the same file.
void wait_block(const char* file, int line);
void wait_warp(const char* file, int line);
/// Gives `mine` to the warp, waits, and returns what all lanes gave (valid until this lane waits again).
const std::array<std::uint64_t, 32>& exchange(std::uint64_t mine, const char* file, int line);
/// The block's memory for the type behind `tag`: 0xA5 at the first use in a block, walls around it.
void* shared_memory(const void* tag, std::size_t bytes, std::size_t alignment);
std::byte* dynamic_shared_memory();

struct KernelInfo {
  const char* name;
  int threads;
};
/// Puts a grid on the stream. `arguments`: the kernel's bytes, for the addresses among them. Throws
/// DeviceError for a shape that no GPU takes.
void enqueue_kernel(Device& device, Stream stream, KernelInfo kernel, Index blocks, int threads,
                    std::size_t dynamic_shared, std::span<const std::byte> arguments,
                    std::function<void()> body);
/// For tests of what an error leaves behind: from now on everything but giving memory back is a DeviceError.
void lose(Device& device);
/// Puts plain host code that reads and writes device memory on the stream: the host versions of library
/// calls. It must not call the Device. `ready`, if given: the stream stands still until it says true, as one
/// whose kernel waits for another GPU.
void enqueue(Device& device, Stream stream, const char* name, std::function<void()> work,
             std::function<bool()> ready = {});

template <class S>
inline constexpr char kSharedTag = 0;

template <class T>
std::uint64_t to_word(T v) noexcept {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<std::uint32_t>(v);
  else
    return std::bit_cast<std::uint64_t>(v);
}
template <class T>
T from_word(std::uint64_t w) noexcept {
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<T>(static_cast<std::uint32_t>(w));
  else
    return std::bit_cast<T>(w);
}

}  // namespace host

inline int thread() noexcept { return host::place.thread; }
inline int block_threads() noexcept { return host::place.block_threads; }
inline Index block() noexcept { return host::place.block; }
inline Index blocks() noexcept { return host::place.blocks; }
inline Index global_thread() noexcept { return block() * block_threads() + thread(); }
inline Index all_threads() noexcept { return blocks() * block_threads(); }
inline int lane() noexcept { return thread() % 32; }
inline int warp() noexcept { return thread() / 32; }

inline void sync_threads(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  host::wait_block(file, line);
}
inline void sync_warp(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  host::wait_warp(file, line);
}
template <class T>
T shuffle(T v, int source_lane, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  return host::from_word<T>(
      host::exchange(host::to_word(v), file, line)[static_cast<std::size_t>(source_lane & 31)]);
}
template <class T>
T shuffle_xor(T v, int mask, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  return shuffle(v, lane() ^ mask, file, line);
}
template <class T>
T shuffle_down(T v, int by, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  return shuffle(v, lane() + by < 32 ? lane() + by : lane(), file, line);
}
inline unsigned ballot(bool yes, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  const auto& all = host::exchange(yes ? 1 : 0, file, line);
  unsigned bits = 0;
  for (unsigned i = 0; i < 32; ++i) bits |= static_cast<unsigned>(all[i]) << i;
  return bits;
}

template <class S>
S& shared() {
  static_assert(std::is_trivially_copyable_v<S> && std::is_trivially_default_constructible_v<S>);
  static_assert(sizeof(S) <= 48 << 10, "nvcc takes no more without dynamic_shared()");
  return *static_cast<S*>(host::shared_memory(&host::kSharedTag<S>, sizeof(S), alignof(S)));
}
inline std::byte* dynamic_shared() { return host::dynamic_shared_memory(); }

template <class T>
T atomic_add(T* p, T v) {
  const T old = *p;
  *p = static_cast<T>(old + v);
  return old;
}
template <class T>
T atomic_max(T* p, T v) {
  const T old = *p;
  *p = std::max(old, v);
  return old;
}
template <class T>
T load_once(const T* p) {
  return *p;
}
template <class T>
void store_once(T* p, T v) {
  *p = v;
}

struct alignas(16) Vec4 {
  float x, y, z, w;
};

template <class Kernel>
void launch(Device& device, Stream stream, const LaunchShape& shape, const Kernel& kernel) {
  static_assert(std::is_trivially_copyable_v<Kernel>);
  host::enqueue_kernel(device, stream, {Kernel::kName, Kernel::kThreads}, shape.blocks, shape.threads,
                       shape.dynamic_shared, std::as_bytes(std::span(&kernel, 1)), [kernel] { kernel(); });
}

}  // namespace opx::device::gpu
