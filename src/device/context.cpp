// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/context.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "device/cpu/parallel.hpp"
#include "device/gpu/device.hpp"

namespace opx::device {

Context::Context(ContextOptions options)
    : threads_(options.threads > 0 ? options.threads : hardware_threads()),
      tf32_(options.tf32),
      logger_(std::move(options.logger)) {
  OPX_REQUIRE(options.threads >= 0, InvalidArgument, "threads is {}; it takes 1 or more, or 0 for all cores",
              options.threads);
  if (options.gpu < 0) return;
  gpu_ = std::make_unique<gpu::Device>(
      gpu::DeviceOptions{.ordinal = options.gpu, .memory_limit = options.gpu_memory});
  clock_.set_ranges(gpu::profiler_ranges());
  host_ = std::make_unique<Context>(ContextOptions{.threads = threads_, .logger = logger_});
}

Context::~Context() = default;

gpu::Device& Context::gpu() {
  OPX_REQUIRE(gpu_ != nullptr, InvalidArgument, "this Context computes on the CPU and has no GPU");
  return *gpu_;
}

void Context::parallel_for(Index tasks, base::FunctionRef<void(Index)> task) {
  cpu::parallel_for(threads_, tasks, task);
}

void Context::parallel_ranges(Index n, Index grain, base::FunctionRef<void(Range)> body) {
  if (n <= 0) return;
  grain = std::max<Index>(grain, 1);
  const Index parts = ceil_div(n, grain);
  parallel_for(parts, [&](Index part) { body(even_range(n, parts, part)); });
}

}  // namespace opx::device
