// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A stack of its own (with a guard page) and changes between it and the thread that entered it, told to the
// sanitizers. For x86-64: swapcontext() would ask the kernel for the signal mask at every change, and
// AddressSanitizer's version of it clears the shadow of the whole stack.
#pragma once

#include <cstddef>
#include <cstdint>

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
  static void begin(Fiber* self);
  Entry entry_;
  void* argument_;
  std::byte* stack_ = nullptr;
  void *inside_ = nullptr, *outside_ = nullptr;  // stack pointers of who does not run
  void* fake_inside_ = nullptr;
  const void* outer_bottom_ = nullptr;
  std::size_t outer_size_ = 0;
  void *tsan_inside_ = nullptr, *tsan_outside_ = nullptr;
};

}  // namespace opx::device::gpu::host
