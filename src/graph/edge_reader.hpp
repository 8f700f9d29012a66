// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// First pass over the edges: the source runs in its own thread, a few batches ahead, while edges are logged
// and degrees counted here. Private to graph/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "device/context.hpp"
#include "graph/edge_log.hpp"
#include "graph/source.hpp"

namespace opx::graph {

struct ReadOptions {
  bool force_weights = false;  ///< weight 1 where the source has none
  bool in_degrees = true;      ///< count ReadEdges::in too, not only both ends of edges together
  std::int64_t memory = 0;     ///< bytes of edges kept in memory
  Index chunk = Index{1} << 20;
  std::filesystem::path folder;
  std::function<void(double)> progress;
};

struct ReadEdges {
  std::unique_ptr<EdgeLog> log;  ///< original ids
  Index vertices = 0;            ///< as given, or largest id + 1
  /// `vertices` long, duplicates and self loops counted; saturate at 2^32 - 1. `in` is empty unless asked
  /// for.
  std::vector<std::uint32_t> ends, in;
};

/// Throws what the source throws, and FormatError for an id that is negative or not below `vertices`.
[[nodiscard]] ReadEdges read_all_edges(device::Context& context, EdgeSource& source,
                                       std::optional<Index> vertices, const std::string& name,
                                       const ReadOptions& options);

}  // namespace opx::graph
