// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Aligned, uninitialised, move-only memory of one Context (of the host, or of its GPU), counted in its
// MemoryAccount.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "base/types.hpp"
#include "device/context.hpp"

namespace opx::device {

namespace detail {
/// Counted memory: of the host, 64-byte aligned (2 MiB pages advised from 4 MiB on), or of the Context's GPU
/// in the order of its compute stream. Throws OutOfMemory with the size asked for.
[[nodiscard]] void* allocate(Context& context, std::size_t bytes);
void deallocate(Context& context, void* pointer, std::size_t bytes) noexcept;
/// Within memory of the Context.
void copy(Context& context, void* to, const void* from, std::size_t bytes);
}  // namespace detail

/// Owns `size` elements of T, not initialised. The Context must outlive it. Elements may be touched by the
/// host (operator[], iterators) only where the Context is not on a GPU; see transfer.hpp.
template <class T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  Buffer(Context& context, Index size) : context_(&context), size_(size), capacity_(size) {
    if (size_ > 0) data_ = static_cast<T*>(detail::allocate(context, held()));
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (data_ != nullptr && context_ != nullptr) detail::deallocate(*context_, data_, held());
  }
  /// Names memory that somebody else keeps.
  [[nodiscard]] static Buffer borrow(T* data, Index size) noexcept {
    Buffer out;
    out.data_ = data, out.size_ = out.capacity_ = size;
    return out;
  }
  void swap(Buffer& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }
  /// Makes it `size` long; the first min(size, old size) elements stay. Memory is kept where it suffices and
  /// grows by half at least, so that nothing is allocated once the largest size has been seen.
  void resize(Context& context, Index size) {
    if (size > capacity_) {
      Buffer grown(context, std::max(size, capacity_ + capacity_ / 2));
      if (size_ > 0) detail::copy(context, grown.data_, data_, bytes());
      swap(grown);
    }
    size_ = size;
  }

  [[nodiscard]] T* data() noexcept { return data_; }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  [[nodiscard]] Index size() const noexcept { return size_; }
  [[nodiscard]] Index capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t bytes() const noexcept { return static_cast<std::size_t>(size_) * sizeof(T); }
  [[nodiscard]] T& operator[](Index i) noexcept { return data_[i]; }
  [[nodiscard]] const T& operator[](Index i) const noexcept { return data_[i]; }
  [[nodiscard]] T* begin() noexcept { return data_; }
  [[nodiscard]] T* end() noexcept { return data_ + size_; }
  [[nodiscard]] const T* begin() const noexcept { return data_; }
  [[nodiscard]] const T* end() const noexcept { return data_ + size_; }
  [[nodiscard]] std::span<T> span() noexcept { return {data_, static_cast<std::size_t>(size_)}; }
  [[nodiscard]] std::span<const T> span() const noexcept { return {data_, static_cast<std::size_t>(size_)}; }

 private:
  [[nodiscard]] std::size_t held() const noexcept { return static_cast<std::size_t>(capacity_) * sizeof(T); }

  Context* context_ = nullptr;
  T* data_ = nullptr;
  Index size_ = 0, capacity_ = 0;
};

}  // namespace opx::device
