// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to cuda/: what a Device holds, shared by the sources that implement its members: device.cpp (GPUs,
// streams, launches), memory.cpp, copies.cpp, events.cpp, graphs.cpp.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "device/gpu/cuda/check.hpp"
#include "device/gpu/cuda/pinned.hpp"
#include "device/gpu/device.hpp"
#include "device/gpu/graph_memory.hpp"

namespace opx::device::gpu {
namespace cuda {

inline cudaStream_t native(Stream stream) {
  OPX_REQUIRE(stream.native != nullptr, InvalidArgument, "a Stream of no Device");
  return static_cast<cudaStream_t>(stream.native);
}

inline void add(std::int64_t& counter, std::int64_t n) noexcept {
  std::atomic_ref(counter).fetch_add(n, std::memory_order_relaxed);
}

enum class Where : std::uint8_t { kPageable, kPinned, kDevice };
[[nodiscard]] Where where(const void* pointer) noexcept;

}  // namespace cuda

struct Device::Impl {
  explicit Impl(const DeviceOptions& options);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  int ordinal;
  std::size_t shared_limit = 0;
  bool debug = false;
  std::array<cudaStream_t, static_cast<std::size_t>(StreamUse::kCount)> streams{};
  cudaMemPool_t pool = nullptr;  // the GPU's own: ranks that share the GPU as threads share what is free
  cudaEvent_t order = nullptr;
  std::mutex order_mutex;
  cuda::PinnedPool pinned;
  cuda::Staging staging{pinned};
  Counters counters;
  std::size_t memory_limit;
  MemoryAccount memory;
  std::recursive_mutex libraries_mutex;
  std::map<std::string, std::shared_ptr<void>, std::less<>> libraries;
  std::atomic<const char*> last_kernel{"none"};
  std::atomic<GraphMemory*> graph_memory{nullptr};
  GraphMemory* captured_memory = nullptr;
  cudaStream_t origin = nullptr;  // of the capture
  std::atomic<std::thread::id> capturer{};

  void use() const { cuda::use_device(ordinal); }
  void checked(cudaError_t code, const char* call) const { cuda::check(code, call, last_kernel.load()); }
  [[nodiscard]] bool captures() const noexcept { return capturer.load() == std::this_thread::get_id(); }
  void refuse_in_capture(const char* what) const {
    OPX_REQUIRE(!captures(), DeviceError, "{} within a capture", what);
  }
  void forget_capture(bool captured) noexcept;
  void make_streams();
  void trim();
  void account(const void* pointer, std::size_t bytes);
  [[nodiscard]] bool allows(std::size_t bytes) const;
  [[nodiscard]] void* take(std::size_t bytes, cudaStream_t stream);
};

}  // namespace opx::device::gpu
