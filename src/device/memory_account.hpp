// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A counter of bytes held now and at most.
#pragma once

#include <atomic>
#include <cstddef>

namespace opx::device {

/// Bytes that Buffers of one Context (or all that is taken of a Device) hold now and held at most.
/// Thread-safe.
class MemoryAccount {
 public:
  void add(std::size_t bytes) noexcept {
    const std::size_t now = now_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    std::size_t peak = peak_.load(std::memory_order_relaxed);
    while (now > peak && !peak_.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
    }
  }
  void remove(std::size_t bytes) noexcept { now_.fetch_sub(bytes, std::memory_order_relaxed); }
  [[nodiscard]] std::size_t now() const noexcept { return now_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t peak() const noexcept { return peak_.load(std::memory_order_relaxed); }
  void reset_peak() noexcept { peak_.store(now(), std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> now_{0}, peak_{0};
};

}  // namespace opx::device
