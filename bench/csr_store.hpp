// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A graph::Store over a symmetric pattern in memory, and the shard of its only rank: what a benchmark of
// samplers needs without writing and loading gigabytes. Positions are the matrix's own ids; one vertex in ten
// is a training vertex. It has no features and no labels.
#pragma once

#include <memory>

#include "graph/store.hpp"
#include "layout/graph_shard.hpp"
#include "spmm/csr.hpp"

namespace opx::bench {

/// `pattern`: undirected, with all self loops, as bench::rmat makes it. `virtual_blocks` 0: the default.
[[nodiscard]] std::unique_ptr<graph::Store> store_of(std::shared_ptr<const spmm::Csr> pattern,
                                                     Index virtual_blocks);

/// One tile with the symmetric normalisation, for all layers; no transposes. `as_directed`: says that A is
/// not symmetric, so that sub-batches get transposes of their own.
[[nodiscard]] layout::GraphShard shard_of(device::Context& context, std::shared_ptr<const spmm::Csr> pattern,
                                          bool as_directed);

}  // namespace opx::bench
