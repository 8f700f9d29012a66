// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Page-locked host memory, kept between uses (locking pages takes milliseconds), and copies to the device
// from memory that is not page-locked.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include <cuda_runtime_api.h>

namespace opx::device::gpu::cuda {

/// Blocks by size, which is rounded up to a power of two; blocks above 64 MiB are exact and not kept.
/// Thread-safe. Nothing may still read or write a block that is given back.
class PinnedPool {
 public:
  PinnedPool() = default;
  PinnedPool(const PinnedPool&) = delete;
  PinnedPool& operator=(const PinnedPool&) = delete;
  ~PinnedPool();

  [[nodiscard]] void* take(std::size_t bytes);
  void give(void* pointer, std::size_t bytes) noexcept;

 private:
  std::mutex mutex_;
  std::multimap<std::size_t, void*> free_;
};

/// Copies from pageable memory by way of page-locked pieces. The driver's own staging may wait for the
/// stream, or, where the GPU reads pageable memory itself, return before the memory has been read; this does
/// neither. Thread-safe.
class Staging {
 public:
  explicit Staging(PinnedPool& pool) : pool_(pool) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  /// The streams have been waited for.
  ~Staging();

  /// `rows` rows of `width` bytes between pitches; `from` may be changed when it returns.
  void copy(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
            std::size_t rows, cudaStream_t stream);

 private:
  struct Piece {
    void* memory;
    std::size_t bytes;
    cudaEvent_t read;
  };
  void reclaim();
  void send(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
            std::size_t rows, cudaStream_t stream);
  [[nodiscard]] cudaEvent_t event();

  PinnedPool& pool_;
  std::mutex mutex_;
  std::deque<Piece> under_way_;
  std::size_t bytes_under_way_ = 0;
  std::vector<cudaEvent_t> events_;
};

}  // namespace opx::device::gpu::cuda
