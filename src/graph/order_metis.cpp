// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// METIS (Karypis and Kumar 1998) behind order=metis and the parts of a store.
#include <algorithm>
#include <limits>
#include <numeric>

#include <metis.h>

#include "base/error.hpp"
#include "base/types.hpp"
#include "graph/order.hpp"

namespace opx::graph {

std::vector<std::int32_t> partition_metis(const UndirectedGraph& graph, Index parts, std::uint64_t seed) {
  const auto n = static_cast<Index>(graph.offsets.size()) - 1;
  std::vector<idx_t> part(static_cast<std::size_t>(n), 0);
  parts = std::min(parts, n);
  if (graph.neighbours.empty()) {  // nothing to cut: even parts in order of id
    for (Index p = 0; p < parts; ++p) {
      const Range of_part = even_range(n, parts, p);
      std::fill(part.begin() + of_part.begin, part.begin() + of_part.end, static_cast<idx_t>(p));
    }
  } else if (parts > 1) {
    OPX_REQUIRE(graph.offsets.back() <= std::numeric_limits<idx_t>::max(), InvalidArgument,
                "{} entries are more than this METIS counts ({}); do without --parts and order=metis",
                graph.offsets.back(), std::numeric_limits<idx_t>::max());
    std::vector<idx_t> offsets(graph.offsets.begin(), graph.offsets.end());
    std::vector<idx_t> neighbours(graph.neighbours.begin(), graph.neighbours.end());
    idx_t vertices = static_cast<idx_t>(n), constraints = 1, count = static_cast<idx_t>(parts), cut = 0;
    idx_t options[METIS_NOPTIONS];
    METIS_SetDefaultOptions(options);
    options[METIS_OPTION_SEED] = static_cast<idx_t>(seed & 0x7fffffffU);
    options[METIS_OPTION_NUMBERING] = 0;
    const int status =
        METIS_PartGraphKway(&vertices, &constraints, offsets.data(), neighbours.data(), nullptr, nullptr,
                            nullptr, &count, nullptr, nullptr, options, &cut, part.data());
    OPX_REQUIRE(status != METIS_ERROR_MEMORY, OutOfMemory,
                "METIS ran out of memory on {} vertices, {} entries", n, graph.offsets.back());
    OPX_REQUIRE(status == METIS_OK, InternalError, "METIS_PartGraphKway failed with status {}", status);
  }
  return {part.begin(), part.end()};
}

std::vector<Index> rank_metis(const UndirectedGraph& graph, Index parts, std::uint64_t seed) {
  const std::vector<std::int32_t> part = partition_metis(graph, parts, seed);
  const std::size_t n = part.size();
  std::vector<Index> order(n), rank(n);
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return part[static_cast<std::size_t>(a)] < part[static_cast<std::size_t>(b)];
  });
  for (std::size_t i = 0; i < n; ++i) rank[static_cast<std::size_t>(order[i])] = static_cast<Index>(i);
  return rank;
}

}  // namespace opx::graph
