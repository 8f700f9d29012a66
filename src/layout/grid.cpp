// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "layout/grid.hpp"

#include <charconv>

#include <fmt/core.h>

#include "base/error.hpp"
#include "base/text.hpp"

namespace opx::layout {

namespace {

int parse_size(std::string_view part, std::string_view whole) {
  int size = 0;
  const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), size);
  OPX_REQUIRE(error == std::errc{} && end == part.data() + part.size() && !part.empty(), InvalidArgument,
              "grid '{}': '{}' is not a whole number; write it as 2x2x2, or 2x2x2x4 with the data axis",
              whole, part);
  OPX_REQUIRE(size >= 1, InvalidArgument, "grid '{}': an axis of size {}; every axis has at least one rank",
              whole, size);
  return size;
}

/// Blocks that share `fixed`, with `major` varying slower than `minor`.
std::vector<int> slab_blocks(const Grid& grid, Coord fixed, Axis major, Axis minor) {
  std::vector<int> blocks;
  blocks.reserve(static_cast<std::size_t>(grid.size(major)) * static_cast<std::size_t>(grid.size(minor)));
  for (int i = 0; i < grid.size(major); ++i) {
    for (int j = 0; j < grid.size(minor); ++j) {
      fixed[major] = i;
      fixed[minor] = j;
      blocks.push_back(grid.rank_of(fixed));
    }
  }
  return blocks;
}

Coord at(Axis axis, int value) {
  Coord c;
  c[axis] = value;
  return c;
}

}  // namespace

char letter(Axis axis) noexcept { return "XYZ"[static_cast<int>(axis)]; }

Coord Grid::coord_of(int rank) const noexcept {
  Coord c;
  c.y = rank % gy;
  c.x = rank / gy % gx;
  c.z = rank / (gy * gx) % gz;
  c.d = rank / (gy * gx * gz);
  return c;
}

Grid parse_grid(std::string_view text) {
  const auto parts = base::split_text(text, 'x');
  OPX_REQUIRE(parts.size() == 3 || parts.size() == 4, InvalidArgument,
              "grid '{}' has {} axes; it takes 3 (2x2x2) or 4 (2x2x2x4, the last one data parallel)", text,
              parts.size());
  Grid grid;
  grid.gx = parse_size(parts[0], text);
  grid.gy = parse_size(parts[1], text);
  grid.gz = parse_size(parts[2], text);
  if (parts.size() == 4) grid.gd = parse_size(parts[3], text);
  const auto ranks = static_cast<double>(grid.gx) * grid.gy * grid.gz * grid.gd;
  OPX_REQUIRE(ranks <= 1 << 24, InvalidArgument, "grid '{}' has {:.0f} ranks; the most is {}", text, ranks,
              1 << 24);
  return grid;
}

std::string to_string(const Grid& grid) {
  std::string text = fmt::format("{}x{}x{}", grid.gx, grid.gy, grid.gz);
  if (grid.gd != 1) text += fmt::format("x{}", grid.gd);
  return text;
}

std::vector<Grid> tensor_grids(int ranks) {
  OPX_REQUIRE(ranks >= 1, InvalidArgument, "grids of {} ranks", ranks);
  std::vector<Grid> grids;
  for (int x = 1; x <= ranks; ++x) {
    if (ranks % x != 0) continue;
    for (int y = 1; y <= ranks / x; ++y) {
      if (ranks / x % y == 0) grids.push_back({.gx = x, .gy = y, .gz = ranks / x / y, .gd = 1});
    }
  }
  return grids;
}

Roles roles_of(Index layer) noexcept {
  switch (layer % 3) {
    case 0:
      return {Axis::kZ, Axis::kX, Axis::kY};
    case 1:
      return {Axis::kY, Axis::kZ, Axis::kX};
    default:
      return {Axis::kX, Axis::kY, Axis::kZ};
  }
}

std::vector<int> column_blocks(const Grid& grid, Roles roles, int k) {
  return slab_blocks(grid, at(roles.k, k), roles.r, roles.c);
}

std::vector<int> row_blocks(const Grid& grid, Roles roles, int r) {
  return slab_blocks(grid, at(roles.r, r), roles.k, roles.c);
}

AggregateWords aggregate_words(const Grid& grid, Roles roles, Coord c, Index rows, Index width, bool backward,
                               Index given) {
  const Index gc = grid.size(roles.c);
  const Index gather = grid.size(backward ? roles.k : roles.r);
  const Index reduce = grid.size(backward ? roles.r : roles.k);
  const Index own = split_columns(width, grid.size(roles.c), c[roles.c]).size();
  // In: own columns of the rows of the gC - 1 others. Out: own rows of all columns of the others.
  const Index fewer = given < 0 ? rows : given;
  const Index in = backward ? fewer : rows, out = backward ? rows : fewer;
  return {.all_to_all_c = in * own * (gc - 1) + out * (width - own),
          .gather = in * gc * own * (gather - 1),
          .reduce_scatter = out * gc * own * (reduce - 1)};
}

Range split_columns(Index width, int parts, int part) noexcept {
  const Index size = width / parts, longer = width % parts;
  const Index begin = part * size + (part < longer ? part : longer);
  return {begin, begin + size + (part < longer ? 1 : 0)};
}

}  // namespace opx::layout
