// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/gpu/cuda/pinned.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/error.hpp"
#include "device/gpu/cuda/check.hpp"

namespace opx::device::gpu::cuda {
namespace {

constexpr std::size_t kSmallest = 4096;               // a page
constexpr std::size_t kPiece = std::size_t{4} << 20;  // long enough for the full bandwidth of the bus
constexpr std::size_t kMostUnderWay = std::size_t{64} << 20;

constexpr std::size_t kLargest = std::size_t{64} << 20;  // what is larger is neither rounded nor kept

std::size_t rounded(std::size_t bytes) noexcept {
  return bytes > kLargest ? bytes : std::bit_ceil(std::max(bytes, kSmallest));
}

}  // namespace

PinnedPool::~PinnedPool() {
  for (const auto& [bytes, pointer] : free_) static_cast<void>(cudaFreeHost(pointer));
}

void* PinnedPool::take(std::size_t bytes) {
  const std::size_t size = rounded(bytes);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = free_.find(size); found != free_.end()) {
      void* pointer = found->second;
      free_.erase(found);
      return pointer;
    }
  }
  void* pointer = nullptr;
  const cudaError_t code = cudaHostAlloc(&pointer, size, cudaHostAllocPortable);
  if (code == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    throw base::OutOfMemory(fmt::format("no memory for {} bytes on the host (pinned)", size));
  }
  check(code, "cudaHostAlloc");
  return pointer;
}

void PinnedPool::give(void* pointer, std::size_t bytes) noexcept {
  if (pointer == nullptr) return;
  if (bytes > kLargest) {
    static_cast<void>(cudaFreeHost(pointer));
    return;
  }
  try {
    const std::lock_guard lock(mutex_);
    free_.emplace(rounded(bytes), pointer);
  } catch (...) {  // no memory for the list
    static_cast<void>(cudaFreeHost(pointer));
  }
}

Staging::~Staging() {
  for (const Piece& piece : under_way_) {
    pool_.give(piece.memory, piece.bytes);
    static_cast<void>(cudaEventDestroy(piece.read));
  }
  for (const cudaEvent_t event : events_) static_cast<void>(cudaEventDestroy(event));
}

cudaEvent_t Staging::event() {
  cudaEvent_t made = nullptr;
  if (events_.empty()) {
    check(cudaEventCreateWithFlags(&made, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  } else {
    made = events_.back();
    events_.pop_back();
  }
  return made;
}

// Pieces of several streams end in any order; the first that is under way holds the others back.
void Staging::reclaim() {
  while (!under_way_.empty()) {
    const Piece first = under_way_.front();
    cudaError_t code = cudaEventQuery(first.read);
    if (code == cudaErrorNotReady && bytes_under_way_ > kMostUnderWay) {
      static_cast<void>(cudaGetLastError());
      code = cudaEventSynchronize(first.read);
    }
    if (code == cudaErrorNotReady) {
      static_cast<void>(cudaGetLastError());  // or the next launch would be blamed
      return;
    }
    check(code, "cudaEventQuery");
    under_way_.pop_front();
    bytes_under_way_ -= first.bytes;
    pool_.give(first.memory, first.bytes);
    events_.push_back(first.read);
  }
}

void Staging::send(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                   std::size_t width, std::size_t rows, cudaStream_t stream) {
  reclaim();
  const cudaEvent_t read = event();
  auto* memory = static_cast<std::byte*>(pool_.take(width * rows));
  under_way_.push_back({memory, width * rows, read});
  bytes_under_way_ += width * rows;
  for (std::size_t r = 0; r < rows; ++r)
    std::memcpy(memory + r * width, static_cast<const std::byte*>(from) + r * from_pitch, width);
  if (rows == 1) {
    check(cudaMemcpyAsync(to, memory, width, cudaMemcpyHostToDevice, stream), "cudaMemcpyAsync");
  } else {
    check(cudaMemcpy2DAsync(to, to_pitch, memory, width, width, rows, cudaMemcpyHostToDevice, stream),
          "cudaMemcpy2DAsync");
  }
  check(cudaEventRecord(read, stream), "cudaEventRecord");
}

void Staging::copy(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                   std::size_t width, std::size_t rows, cudaStream_t stream) {
  const std::lock_guard lock(mutex_);
  auto* target = static_cast<std::byte*>(to);
  const auto* source = static_cast<const std::byte*>(from);
  if (rows == 1) {
    for (std::size_t at = 0; at < width; at += kPiece) {
      const std::size_t bytes = std::min(kPiece, width - at);
      send(target + at, bytes, source + at, bytes, bytes, 1, stream);
    }
    return;
  }
  const std::size_t step = std::max<std::size_t>(kPiece / width, 1);
  for (std::size_t r = 0; r < rows; r += step)
    send(target + r * to_pitch, to_pitch, source + r * from_pitch, from_pitch, width,
         std::min(step, rows - r), stream);
}

}  // namespace opx::device::gpu::cuda
