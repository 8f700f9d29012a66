// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What `orthoplex info` tells about a prepared dataset: degrees, balance under each placement policy, memory
// a rank would take, and whether the content still has its checksum.
#pragma once

#include <string>
#include <vector>

#include "device/context.hpp"
#include "graph/store.hpp"
#include "layout/grid.hpp"
#include "layout/placement.hpp"

namespace opx::graph {

/// Of the entries per row of A (in-degrees; self loops count one). `isolated`: neither in- nor out-edges.
struct DegreeSummary {
  Index min = 0, median = 0, p99 = 0, max = 0, isolated = 0;
  double mean = 0;
};
[[nodiscard]] DegreeSummary summarise_degrees(device::Context& context, const Store& store);

/// max / mean non-zeros over the gz x gx tiles of layer 0 (rows of slab Z, columns of slab X) under each
/// policy: "natural order", "one permutation", "two permutations" (Plexus), "slabs, random deal", "slabs,
/// degree deal", and what the store has ("this store"). `add_self_loops` counts a diagonal entry where there
/// is none. Reads all edges once, in pieces.
[[nodiscard]] std::vector<layout::Imbalance> measure_imbalance(device::Context& context, const Store& store,
                                                               const layout::Grid& grid, std::uint64_t seed,
                                                               bool add_self_loops = true);

/// Reads everything and compares with the checksums stored with it. Throws FormatError that names the first
/// dataset that differs.
void verify_store(const std::filesystem::path& path);

}  // namespace opx::graph
