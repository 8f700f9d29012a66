// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/tile_code.hpp"

#include <algorithm>
#include <bit>

#include "base/error.hpp"
#include "graph/store_format.hpp"

namespace opx::graph {

TileCode::TileCode(Index vertices_, Index tiles_) : vertices(vertices_), tiles(tiles_) {
  const auto longest = static_cast<std::uint64_t>(ceil_div(std::max<Index>(vertices, 1), tiles));
  local_bits = static_cast<int>(std::bit_width(longest - 1));
  OPX_REQUIRE((static_cast<std::uint64_t>(tiles) << local_bits) <= (std::uint64_t{1} << 32), InvalidArgument,
              "{} vertices in {} tiles a side do not fit 32-bit codes", vertices, tiles);
}

bool TileCode::wide() const noexcept { return ceil_div(vertices, tiles) > format::kNarrowTile; }

VertexCodes::VertexCodes(std::span<const std::uint32_t> position, const TileCode& code)
    : code_of_(position.size()) {
  std::vector<std::uint32_t> of_position(position.size());
  for (Index t = 0; t < code.tiles; ++t) {
    const Range r = even_range(code.vertices, code.tiles, t);
    for (Index p = r.begin; p < r.end; ++p)
      of_position[static_cast<std::size_t>(p)] =
          static_cast<std::uint32_t>((t << code.local_bits) + p - r.begin);
  }
  for (std::size_t v = 0; v < position.size(); ++v) code_of_[v] = of_position[position[v]];
}

}  // namespace opx::graph
