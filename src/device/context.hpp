// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The handle that comes first in everything that computes: where (the CPU, or one GPU), threads, logger,
// clock, memory account of one rank. Nothing here is global; two ranks in one process have two Contexts.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/function_ref.hpp"
#include "base/log.hpp"
#include "base/timer.hpp"
#include "base/types.hpp"
#include "device/memory_account.hpp"

namespace opx::device {

namespace gpu {
class Device;
}

struct ContextOptions {
  int threads = 0;  ///< threads of this rank; 0: one per core of the machine
  base::Logger logger{};
  /// Compute on the GPU of this number (gpu::count() says how many there are); -1: on the CPU.
  int gpu = -1;
  /// On a GPU: fp32 matrix products round their factors to TF32 (10 bits of mantissa), several times faster.
  bool tf32 = false;
  /// On a GPU: bytes of its memory that this Context takes at most; 0: all there is.
  std::size_t gpu_memory = 0;
};

class Context {
 public:
  /// Throws NotCompiled or DeviceError where options.gpu names a GPU that is not there.
  explicit Context(ContextOptions options = {});
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Whether Buffers of this Context are memory of a GPU, and ops given it run there, in the order of the
  /// compute stream, and return before they are done. Spans and views that such ops take are memory of that
  /// GPU unless their contract says "host".
  [[nodiscard]] bool on_gpu() const noexcept { return gpu_ != nullptr; }
  /// Throws InvalidArgument on the CPU.
  [[nodiscard]] gpu::Device& gpu();
  /// A Context of the same rank for work on host memory: itself on the CPU.
  [[nodiscard]] Context& host() noexcept { return host_ ? *host_ : *this; }

  [[nodiscard]] int threads() const noexcept { return threads_; }
  [[nodiscard]] bool tf32() const noexcept { return tf32_; }
  [[nodiscard]] const base::Logger& logger() const noexcept { return logger_; }
  [[nodiscard]] base::PhaseClock& clock() noexcept { return clock_; }
  [[nodiscard]] MemoryAccount& memory() noexcept { return memory_; }
  /// Names contents of this Context's memory that stay as they are: 1, 2, 3, ... From any thread.
  [[nodiscard]] std::uint64_t new_identity() noexcept { return ++identities_; }
  /// What the memory taken now is for (MemoryUse): a literal.
  [[nodiscard]] const char* memory_use() const noexcept {
    return memory_use_.load(std::memory_order_relaxed);
  }

  /// Calls task(i) once for each i in [0, tasks), on up to threads() threads, handed out one by one in rising
  /// order. Blocks until all are done. An exception of a task is rethrown here (the lowest-numbered one
  /// wins). No nesting.
  void parallel_for(Index tasks, base::FunctionRef<void(Index)> task);
  /// Cuts [0, n) into ranges of about `grain` (boundaries depend on n and grain only, never on threads()) and
  /// calls body(range) for each as parallel_for does. Sums made per range and added in order are
  /// deterministic.
  void parallel_ranges(Index n, Index grain, base::FunctionRef<void(Range)> body);

 private:
  friend class MemoryUse;
  int threads_;
  bool tf32_;
  base::Logger logger_;
  base::PhaseClock clock_;
  MemoryAccount memory_;
  std::atomic<const char*> memory_use_{"work space"};
  std::atomic<std::uint64_t> identities_{0};
  std::unique_ptr<gpu::Device> gpu_;
  std::unique_ptr<Context> host_;
};

/// Names, while it lives, what the memory taken from a Context is for: an OutOfMemory says it. Scopes nest.
class MemoryUse {
 public:
  /// `what` is a literal: "features".
  MemoryUse(Context& context, const char* what) noexcept
      : use_(context.memory_use_), before_(use_.exchange(what, std::memory_order_relaxed)) {}
  MemoryUse(const MemoryUse&) = delete;
  MemoryUse& operator=(const MemoryUse&) = delete;
  ~MemoryUse() { use_.store(before_, std::memory_order_relaxed); }

 private:
  std::atomic<const char*>& use_;
  const char* before_;
};

/// Cores this process may use.
[[nodiscard]] int hardware_threads() noexcept;

}  // namespace opx::device
