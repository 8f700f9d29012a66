// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// How positions are cut into T tiles a side. A vertex's code is its tile << local_bits | its place in the
// tile, so that cutting into tiles is shifts and masks. Private to graph/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "graph/edge_log.hpp"

namespace opx::graph {

struct TileCode {
  Index vertices = 0, tiles = 1;
  int local_bits = 0;
  /// Throws InvalidArgument where codes would take more than 32 bits.
  TileCode(Index vertices_, Index tiles_);
  [[nodiscard]] std::uint32_t tile(std::uint32_t code) const noexcept { return code >> local_bits; }
  [[nodiscard]] std::uint32_t local(std::uint32_t code) const noexcept {
    return code & ((1U << local_bits) - 1U);
  }
  /// True where local ids take 32 bits in the store.
  [[nodiscard]] bool wide() const noexcept;
};

/// The code of each vertex by original id.
class VertexCodes {
 public:
  /// `position` by original id.
  VertexCodes(std::span<const std::uint32_t> position, const TileCode& code);
  [[nodiscard]] std::uint32_t operator()(std::uint32_t id) const noexcept { return code_of_[id]; }
  /// Edges of original ids become edges of codes.
  void apply(std::span<std::uint64_t> edges) const noexcept {
    for (std::uint64_t& e : edges) e = pack_edge(code_of_[dst_of(e)], code_of_[src_of(e)]);
  }

 private:
  std::vector<std::uint32_t> code_of_;
};

}  // namespace opx::graph
