// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/gpu/host/fiber.hpp"

#include <algorithm>

#include <sys/mman.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#include "base/error.hpp"

#if !defined(__x86_64__)
#error "the host runtime changes stacks on x86-64 only"
#endif

// Saves what a function must keep (System V ABI) on the stack, keeps the stack's pointer in *save, and goes
// on where `load` was left. A fresh stack has begin()'s argument in rbx and begin() itself in rbp.
extern "C" void opx_change_stack(void** save, void* load);
extern "C" void opx_begin_stack();
asm(R"(
.text
.type opx_change_stack,@function
opx_change_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size opx_change_stack,.-opx_change_stack
.type opx_begin_stack,@function
opx_begin_stack:
  movq %rbx, %rdi
  movq %rbp, %rax
  xorl %ebp, %ebp
  jmp *%rax
.size opx_begin_stack,.-opx_begin_stack
)");

namespace opx::device::gpu::host {
namespace {
constexpr std::size_t kStack = std::size_t{256} << 10, kGuard = 4096;  // touched pages alone are held
}

Fiber::Fiber(Entry entry, void* argument) : entry_(entry), argument_(argument) {
  void* mapped = ::mmap(nullptr, kStack + kGuard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  OPX_REQUIRE(mapped != MAP_FAILED, OutOfMemory, "no memory for the stack of a fiber");
  stack_ = static_cast<std::byte*>(mapped) + kGuard;
  OPX_REQUIRE(::mprotect(stack_, kStack, PROT_READ | PROT_WRITE) == 0, OutOfMemory,
              "no memory for the stack of a fiber");
#if defined(__SANITIZE_THREAD__)
  tsan_inside_ = __tsan_create_fiber(0);
#endif
  restart();
}

Fiber::~Fiber() {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, kStack);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(tsan_inside_);
#endif
  ::munmap(stack_ - kGuard, kStack + kGuard);
}

void Fiber::restart() {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_, kStack);
#endif
  fake_inside_ = nullptr;
  // r15 r14 r13 r12 rbx rbp, where to go, and what begin() takes for where it was called.
  auto** top = reinterpret_cast<void**>(stack_ + kStack) - 8;
  std::fill_n(top, 8, nullptr);
  top[4] = this;
  top[5] = reinterpret_cast<void*>(&Fiber::begin);
  top[6] = reinterpret_cast<void*>(&opx_begin_stack);
  inside_ = top;
}

void Fiber::begin(Fiber* self) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &self->outer_bottom_, &self->outer_size_);
#endif
  self->entry_(self->argument_);
}

void Fiber::enter() {
#if defined(__SANITIZE_ADDRESS__)
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, stack_, kStack);
#endif
#if defined(__SANITIZE_THREAD__)
  tsan_outside_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_inside_, 0);
#endif
  opx_change_stack(&outside_, inside_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void Fiber::leave() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&fake_inside_, outer_bottom_, outer_size_);
#endif
#if defined(__SANITIZE_THREAD__)
  __tsan_switch_to_fiber(tsan_outside_, 0);
#endif
  opx_change_stack(&inside_, outside_);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(fake_inside_, &outer_bottom_, &outer_size_);
#endif
}

}  // namespace opx::device::gpu::host
