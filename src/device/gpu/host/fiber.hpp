// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A stack of its own (with a guard page) and changes between it and the thread that entered it, told to the
// sanitizers.
#pragma once

#include <cstddef>
#include <cstdint>

#include <ucontext.h>

namespace opx::device::gpu::host {

class Fiber {
 public:
  using Entry = void (*)(void*);
  Fiber(Entry entry, void* argument);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// From the owner's stack: runs the fiber until it leaves. The entry must never return.
  void enter();
  /// From the fiber: back to where enter() was called.
  void leave();
  /// Forgets where it was; the next enter() begins at the entry again.
  void restart();

 private:
  static void trampoline(unsigned low, unsigned high);
  Entry entry_;
  void* argument_;
  std::byte* stack_ = nullptr;
  ucontext_t inside_{}, outside_{};
  void* fake_inside_ = nullptr;
  const void* outer_bottom_ = nullptr;
  std::size_t outer_size_ = 0;
  void *tsan_inside_ = nullptr, *tsan_outside_ = nullptr;
};

}  // namespace opx::device::gpu::host
