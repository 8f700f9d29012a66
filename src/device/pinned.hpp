// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Page-locked memory of the host beside a GPU: what copies run from and to without holding up the host.
#pragma once

#include <type_traits>
#include <utility>

#include "base/types.hpp"
#include "device/context.hpp"
#include "device/gpu/device.hpp"

namespace opx::device {

/// Owns `size` elements, not initialised, of a Context that is on a GPU and outlives it. No work on the GPU
/// may still read or write them when it ends.
template <class T>
class PinnedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  PinnedBuffer() = default;
  PinnedBuffer(Context& context, Index size) : gpu_(&context.gpu()), size_(size) {
    if (size > 0) data_ = static_cast<T*>(gpu_->allocate_pinned(bytes()));
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept { swap(other); }
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    PinnedBuffer(std::move(other)).swap(*this);
    return *this;
  }
  PinnedBuffer(const PinnedBuffer&) = delete;
  PinnedBuffer& operator=(const PinnedBuffer&) = delete;
  ~PinnedBuffer() {
    if (data_ != nullptr) gpu_->deallocate_pinned(data_, bytes());
  }

  [[nodiscard]] T* data() noexcept { return data_; }
  [[nodiscard]] Index size() const noexcept { return size_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return static_cast<std::size_t>(size_) * sizeof(T); }

 private:
  void swap(PinnedBuffer& other) noexcept {
    std::swap(gpu_, other.gpu_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  gpu::Device* gpu_ = nullptr;
  T* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace opx::device
