// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What a run will take before it runs: bytes of one rank's Buffers by component, from the shapes alone.
// Printed beside the measured peak; the two are compared by a test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/store.hpp"
#include "layout/grid.hpp"
#include "model/spec.hpp"
#include "train/config.hpp"

namespace opx::train {

struct MemoryComponent {
  std::string name;
  std::int64_t bytes = 0;
};

struct MemoryEstimate {
  std::vector<MemoryComponent> components;
  Index batch_rows = 0;  ///< mode mini: rows of a rank in a sub-batch
  [[nodiscard]] std::int64_t total() const noexcept;
  /// "adjacency 131.2 MiB, features ..., total ..."
  [[nodiscard]] std::string describe() const;
};

/// The largest rank's bytes in training, of the configuration's mode. Balanced tiles are assumed
/// (docs/architecture.md on placement). Mode mini: the graph's tiles without transposes, rows of batches for
/// every slot of the pipeline and for the training pass, and the full graph's rows where it is evaluated;
/// `batch_rows` are the most that the sampler gives a rank (Sampler::most_block_rows), 0: expected from the
/// ratio.
[[nodiscard]] MemoryEstimate estimate_memory(const graph::StoreInfo& info, const layout::Grid& grid,
                                             const RunConfig& config, const model::ModelSpec& spec,
                                             Index batch_rows = 0);

}  // namespace opx::train
