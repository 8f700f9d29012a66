// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/edge_gather.hpp"

#include <bit>
#include <utility>

namespace opx::graph {

std::span<const std::uint64_t> RowTileEdges::edges_of(Index i) const {
  const auto t = static_cast<std::size_t>(i);
  return edges.span().subspan(static_cast<std::size_t>(start[t]),
                              static_cast<std::size_t>(start[t + 1] - start[t]));
}

std::span<const float> RowTileEdges::weights_of(Index i) const {
  const auto t = static_cast<std::size_t>(i);
  if (weights.empty()) return {};
  return weights.span().subspan(static_cast<std::size_t>(start[t]),
                                static_cast<std::size_t>(start[t + 1] - start[t]));
}

RowTileEdges gather_row_tiles(device::Context& context, const EdgeLog& coded, const TileCode& code,
                              bool mirror, Range tiles) {
  const Index chunks = coded.chunks();
  const auto width = static_cast<std::size_t>(tiles.size());
  const auto first = static_cast<std::uint32_t>(tiles.begin),
             count = static_cast<std::uint32_t>(tiles.size());
  // next[chunk][tile]: first how many, then where the chunk's edges of that tile begin.
  std::vector<Index> next(static_cast<std::size_t>(chunks) * width, 0);
  const auto each = [&](Index chunk, auto&& use) {
    EdgeLog::Scratch scratch;
    const EdgeLog::View view = coded.load(chunk, scratch);
    for (std::size_t i = 0; i < view.edges.size(); ++i) {
      const std::uint64_t e = view.edges[i];
      const float w = view.weights.empty() ? 0.0F : view.weights[i];
      const std::uint32_t row = code.tile(dst_of(e)) - first, col = code.tile(src_of(e)) - first;
      if (row < count) use(row, e, w);  // unsigned: tiles ahead of `first` wrap around
      if (mirror && col < count && dst_of(e) != src_of(e)) use(col, std::rotr(e, 32), w);
    }
  };
  context.parallel_for(chunks, [&](Index c) {
    Index* counts = next.data() + static_cast<std::size_t>(c) * width;
    each(c, [&](std::uint32_t t, std::uint64_t, float) { ++counts[t]; });
  });
  RowTileEdges out{tiles, {0}, {}, {}};
  Index total = 0;
  for (std::size_t t = 0; t < width; ++t) {
    for (Index c = 0; c < chunks; ++c)
      total += std::exchange(next[static_cast<std::size_t>(c) * width + t], total);
    out.start.push_back(total);
  }
  out.edges = {context, total};
  out.weights = {context, coded.weighted() ? total : 0};
  context.parallel_for(chunks, [&](Index c) {
    Index* at = next.data() + static_cast<std::size_t>(c) * width;
    each(c, [&](std::uint32_t t, std::uint64_t e, float w) {
      const Index to = at[t]++;
      out.edges[to] = e;
      if (coded.weighted()) out.weights[to] = w;
    });
  });
  return out;
}

}  // namespace opx::graph
