// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What a run on GPUs will take before it runs, one GPU a rank: the memory model (memory_model.hpp) by use,
// with what a GPU's work needs beside it. Arithmetic alone: it needs no GPU and no build with one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/memory_model.hpp"

namespace opx::train {

/// Bytes of the rank with the most.
struct GpuMemoryPlan {
  /// On the GPU, what Buffers take at their peak: shards, features, activations, gradients, work
  /// space, parameters and optimiser, and where the first aggregation is the peak, what it takes more.
  std::vector<MemoryComponent> device;
  /// For the rest: the runtime's own state, kernels, work space of libraries, buffers of NCCL, fragments. An
  /// allowance, not a measurement.
  std::int64_t reserve = 0;
  /// In host memory beside it; `pinned` of it is page-locked at most.
  std::vector<MemoryComponent> host;
  std::int64_t pinned = 0;
  Index batch_rows = 0;  ///< mode mini: rows of a rank in a sub-batch

  [[nodiscard]] std::int64_t counted() const noexcept;  ///< on the GPU without the reserve
  [[nodiscard]] std::int64_t total() const noexcept { return counted() + reserve; }
  [[nodiscard]] std::int64_t host_total() const noexcept;
};

struct GpuPlanOptions {
  Index batch_rows = 0;  ///< as estimate_memory
  /// Panels of an aggregation are under way together, as over NCCL (and GPU-aware MPI); not where ranks are
  /// threads that share a GPU.
  bool overlaps = true;
};

/// The plan of the configuration's mode.
[[nodiscard]] GpuMemoryPlan plan_gpu_memory(const graph::StoreInfo& info, const layout::Grid& grid,
                                            const RunConfig& config, const model::ModelSpec& spec,
                                            const GpuPlanOptions& options = {});

/// A change of the configuration and what the plan says then.
struct MemoryRemedy {
  std::string flags;       ///< "--wire bf16", "--ranks 8 (2x2x2)"
  std::int64_t total = 0;  ///< of the plan with it
};
/// The changes that take at least a fiftieth off what is counted, the one that takes most first; each on its
/// own. Ranks are doubled until the plan fits `memory` (0: doubled once), 1024 times at most.
[[nodiscard]] std::vector<MemoryRemedy> memory_remedies(const graph::StoreInfo& info,
                                                        const layout::Grid& grid, const RunConfig& config,
                                                        std::int64_t memory);

/// For the message of an OutOfMemory on a GPU: what is planned and what would help, in one line. Reads the
/// dataset's description; empty where that cannot be read.
[[nodiscard]] std::string memory_advice(const RunConfig& config, int ranks);

}  // namespace opx::train
