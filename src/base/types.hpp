// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Integer types of the project. Counts, offsets and shapes are 64-bit everywhere; ids inside a tile are
// 32-bit. Ids that must not be mixed up at API borders are distinct types; kernels work on plain spans.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

namespace opx {

using Index = std::int64_t;       ///< counts, shapes, offsets, edge counts
using LocalIndex = std::int32_t;  ///< a row or column inside one tile or block

/// A vertex as the input file numbers it, after remapping to 0..N-1 in order of first appearance or of its
/// number.
enum class OriginalId : Index {};
/// A vertex by its place in the placement: blocks are contiguous ranges of positions.
enum class Position : Index {};

constexpr Index value(OriginalId id) noexcept { return static_cast<Index>(id); }
constexpr Index value(Position p) noexcept { return static_cast<Index>(p); }

/// Half-open range [begin, end).
struct Range {
  Index begin = 0, end = 0;
  [[nodiscard]] constexpr Index size() const noexcept { return end - begin; }
  [[nodiscard]] constexpr bool contains(Index i) const noexcept { return i >= begin && i < end; }
  friend constexpr bool operator==(const Range&, const Range&) = default;
};

constexpr Index ceil_div(Index a, Index b) noexcept { return (a + b - 1) / b; }

/// The part of [0, n) that falls to `part` of `parts`: boundaries at floor(i n / parts), so that sizes differ
/// by at most one and the boundaries for `parts` are among those for any multiple of it.
constexpr Range even_range(Index n, Index parts, Index part) noexcept {
  return {static_cast<Index>(static_cast<__int128>(n) * part / parts),
          static_cast<Index>(static_cast<__int128>(n) * (part + 1) / parts)};
}

}  // namespace opx
