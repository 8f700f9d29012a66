// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A small graph with hubs, training vertices and parts, and what tests do with samplers.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "sampling/sampler.hpp"
#include "support/fake_sampler.hpp"
#include "support/memory_store.hpp"

namespace opx::test {

inline constexpr Index kParts = 60;

/// Undirected, of about three edges a vertex; every 50th vertex is a hub that a tenth of all know. A fifth of
/// the vertices trains; kParts parts of random sizes.
inline MemoryStore hub_store(Index vertices, Index virtual_blocks, std::uint64_t seed = 1) {
  std::vector<Entry> entries;
  const auto both = [&](Index a, Index b) { entries.push_back({a, b}), entries.push_back({b, a}); };
  const auto pick = [&](Index i, std::uint32_t word, Index n) {
    const auto r =
        base::philox({seed, base::Purpose::kTest}, {.vertex = static_cast<std::uint64_t>(i), .word = word});
    return static_cast<Index>(base::uniform_below(r[0], r[1], static_cast<std::uint64_t>(n)));
  };
  for (Index v = 0; v < vertices; ++v) {
    for (std::uint32_t k = 0; k < 3; ++k) both(v, pick(v, k, vertices));
    for (Index hub = 0; hub < vertices; hub += 50)
      if (pick(v, 100 + static_cast<std::uint32_t>(hub), 10) == 0) both(v, hub);
  }
  MemoryStore store(vertices, entries);
  store.set_virtual_blocks(virtual_blocks);
  std::vector<graph::Split> splits(static_cast<std::size_t>(vertices), graph::Split::kNone);
  for (Index v = 0; v < vertices; ++v)
    if (pick(v, 9, 5) == 0) splits[static_cast<std::size_t>(v)] = graph::Split::kTrain;
  store.set_splits(splits);
  std::vector<std::int32_t> parts(static_cast<std::size_t>(vertices));
  for (Index v = 0; v < vertices; ++v)
    parts[static_cast<std::size_t>(v)] = static_cast<std::int32_t>(pick(v, 10, kParts));
  store.set_parts(parts, kParts);
  return store;
}

/// A sampler that looks at the whole graph, on one rank.
inline std::unique_ptr<sampling::Sampler> whole(const graph::Store& store,
                                                const sampling::SamplerOptions& options) {
  return sampling::make_sampler(store, {}, std::vector<int>{0}, options);
}

}  // namespace opx::test
