// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The 4D grid of ranks, and the roles that its tensor axes play in each layer (design.md 4.1). Arithmetic
// only.
//
// Worked example, grid 2x2x2: rank = ((d * gz + z) * gx + x) * gy + y, so rank 6 is (x, y, z, d) = (1, 0, 1,
// 0). In layer 0 (R = Z, K = X, C = Y) its tile has the rows of slab Z=1 and the columns of slab X=1.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.hpp"

namespace opx::layout {

enum class Axis : int { kX = 0, kY = 1, kZ = 2 };
[[nodiscard]] char letter(Axis axis) noexcept;

/// Coordinates of a rank (or of its block: then d is 0).
struct Coord {
  int x = 0, y = 0, z = 0, d = 0;
  [[nodiscard]] int operator[](Axis a) const noexcept { return a == Axis::kX ? x : a == Axis::kY ? y : z; }
  int& operator[](Axis a) noexcept { return a == Axis::kX ? x : a == Axis::kY ? y : z; }
  friend bool operator==(const Coord&, const Coord&) = default;
};

struct Grid {
  int gx = 1, gy = 1, gz = 1, gd = 1;
  [[nodiscard]] int size(Axis a) const noexcept { return a == Axis::kX ? gx : a == Axis::kY ? gy : gz; }
  [[nodiscard]] int tensor_ranks() const noexcept { return gx * gy * gz; }  ///< P
  [[nodiscard]] int ranks() const noexcept { return tensor_ranks() * gd; }
  /// y fastest, then x, then z, then d.
  [[nodiscard]] int rank_of(Coord c) const noexcept { return ((c.d * gz + c.z) * gx + c.x) * gy + c.y; }
  [[nodiscard]] Coord coord_of(int rank) const noexcept;
  friend bool operator==(const Grid&, const Grid&) = default;
};

/// "2x2x2" or "2x2x2x4"; throws InvalidArgument that says what is wrong.
[[nodiscard]] Grid parse_grid(std::string_view text);
[[nodiscard]] std::string to_string(const Grid& grid);
/// All (gx, gy, gz) with the product P, gd = 1, in lexicographic order.
[[nodiscard]] std::vector<Grid> tensor_grids(int ranks);

/// Which axis cuts the rows of A (r), its columns (k) and the feature columns (c).
struct Roles {
  Axis r, k, c;
};
/// l mod 3: (Z, X, Y), (Y, Z, X), (X, Y, Z).
[[nodiscard]] Roles roles_of(Index layer) noexcept;

/// Blocks of a column slab K=k in the order in which the gather lays them out: R major, C minor.
[[nodiscard]] std::vector<int> column_blocks(const Grid& grid, Roles roles, int k);
/// Blocks of a row slab R=r in the order in which the reduce-scatter hands them out: K major, C minor.
[[nodiscard]] std::vector<int> row_blocks(const Grid& grid, Roles roles, int r);

/// Words that rank `c` receives in one aggregation of width `width`, forward (gather over R, reduce-scatter
/// over K): n D_j ((gC - 1) + ... ) exactly, for any width, by axis. `rows` is the padded block length n;
/// `given`: the rows of a block that A X has, where they are fewer (-1: all; GraphShard::rows_given).
struct AggregateWords {
  Index all_to_all_c = 0;    ///< both all-to-alls
  Index gather = 0;          ///< over R forward, over K backward
  Index reduce_scatter = 0;  ///< over K forward, over R backward
  [[nodiscard]] Index total() const noexcept { return all_to_all_c + gather + reduce_scatter; }
};
[[nodiscard]] AggregateWords aggregate_words(const Grid& grid, Roles roles, Coord c, Index rows, Index width,
                                             bool backward, Index given = -1);

/// Feature columns of member `part` of `parts` on the C axis: as numpy.array_split, the first width % parts
/// get one more.
[[nodiscard]] Range split_columns(Index width, int parts, int part) noexcept;

}  // namespace opx::layout
