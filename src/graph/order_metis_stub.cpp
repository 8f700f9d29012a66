// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "graph/order.hpp"

namespace opx::graph {

std::vector<Index> rank_metis(const UndirectedGraph&, Index, std::uint64_t) {
  throw base::NotCompiled("order=metis needs a build with OPX_WITH_METIS=ON; order=rcm needs none");
}

std::vector<std::int32_t> partition_metis(const UndirectedGraph&, Index, std::uint64_t) {
  throw base::NotCompiled("--parts needs a build with OPX_WITH_METIS=ON");
}

}  // namespace opx::graph
