// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Order policies: a rank of every vertex, by which the vertices inside each block are sorted (design.md 4.2).
// Private to graph/.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.hpp"
#include "device/context.hpp"
#include "graph/edge_log.hpp"
#include "layout/placement.hpp"

namespace opx::graph {

struct OrderOptions {
  layout::Order order = layout::Order::kNatural;
  Index virtual_blocks = 1;
  std::uint64_t seed = 0;
  std::int64_t memory = 0;  ///< budget for the graph in memory (metis, rcm)
};

/// rank[original id], a permutation of 0..N-1; empty for natural. rcm and metis look at the pattern without
/// directions and self loops; they hold it in memory and throw ResourceError, with the numbers, where the
/// budget is too small. metis throws NotCompiled in a build without METIS.
[[nodiscard]] std::vector<Index> rank_vertices(device::Context& context, const EdgeLog& edges, Index vertices,
                                               const OrderOptions& options);

/// The pattern as METIS and rcm take it: undirected, no self loops, no duplicates; neighbours rise.
struct UndirectedGraph {
  std::vector<Index> offsets;
  std::vector<std::int32_t> neighbours;
};
[[nodiscard]] UndirectedGraph undirected(device::Context& context, const EdgeLog& edges, Index vertices);

struct PartitionRequest {
  Index parts = 1;
  std::uint64_t seed = 0;
  std::int64_t memory = 0;  ///< budget for the graph in memory
};
/// About 256 vertices a part.
[[nodiscard]] Index auto_parts(Index vertices) noexcept;
/// part[original id], by METIS, for samplers that draw parts. Throws InvalidArgument for more parts than
/// vertices, otherwise as rank_vertices does for metis.
[[nodiscard]] std::vector<std::int32_t> partition_vertices(device::Context& context, const EdgeLog& edges,
                                                           Index vertices, const PartitionRequest& request);

/// Reverse Cuthill-McKee (Cuthill and McKee 1969; George 1971): breadth-first from a vertex far from the
/// middle of each component, neighbours by rising degree, then reversed. rank[vertex].
[[nodiscard]] std::vector<Index> rank_rcm(const UndirectedGraph& graph);

/// METIS's k-way parts of the vertices: part[vertex] in [0, parts). Some may be empty. Without edges: even
/// parts in order of id.
[[nodiscard]] std::vector<std::int32_t> partition_metis(const UndirectedGraph& graph, Index parts,
                                                        std::uint64_t seed);

/// Vertices by METIS part (k-way, `parts` parts), then by id. rank[vertex].
[[nodiscard]] std::vector<Index> rank_metis(const UndirectedGraph& graph, Index parts, std::uint64_t seed);

}  // namespace opx::graph
