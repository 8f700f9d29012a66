// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/families.hpp"

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace opx::sampling {
namespace {

// The integer part of the square root.
Index root(Index x) {
  auto r = static_cast<Index>(std::sqrt(static_cast<double>(x)));
  while (r * r > x) --r;
  while ((r + 1) * (r + 1) <= x) ++r;
  return r;
}

}  // namespace

Index batches_of(double ratio) noexcept {
  constexpr double kMost = 1e9;
  return std::max<Index>(1, static_cast<Index>(std::llround(std::min(kMost, 1 / ratio))));
}

Index share_of_block(const Request& request, Index block) {
  const Index n = even_range(request.vertices(), request.virtual_blocks(), block).size();
  return std::min(n, static_cast<Index>(std::llround(request.options.ratio * static_cast<double>(n))));
}

void require_a_vertex_of_each_block(const Request& request) {
  const Index smallest = request.vertices() / request.virtual_blocks();  // block 0
  OPX_REQUIRE(share_of_block(request, 0) >= 1, InvalidArgument,
              "a batch ratio of {} gives less than one vertex of each of the {} virtual blocks of '{}' (the "
              "smallest has {}): the least ratio is {:.6g}; or prepare with fewer --virtual-blocks",
              request.options.ratio, request.virtual_blocks(), request.store.info().name, smallest,
              1 / static_cast<double>(std::max<Index>(smallest, 1)));
}

std::vector<Index> source_weights(const graph::Store& store, Range positions) {
  const auto n = static_cast<std::size_t>(positions.size());
  std::vector<float> rows(n), cols(n);
  store.read_degrees(positions, rows, cols);
  constexpr float kMost = 1 << 30;
  constexpr Index kUnit = Index{1} << 16;
  std::vector<Index> weights(n);
  for (std::size_t i = 0; i < n; ++i) {
    const float sum = cols[i] > 0 ? std::min(cols[i], kMost) : 0.0F;  // NaN too is 0
    weights[i] = root(static_cast<Index>(static_cast<double>(sum) * static_cast<double>(kUnit)) + kUnit);
  }
  return weights;
}

std::vector<Index> rows_of_blocks(const Request& request, std::span<const Index> rows) {
  std::vector<Index> sums(static_cast<std::size_t>(request.blocks.count()), 0);
  for (std::size_t v = 0; v < rows.size(); ++v) {
    const Range r = even_range(request.vertices(), request.virtual_blocks(), static_cast<Index>(v));
    for (int b = request.blocks.of(r.begin); b <= request.blocks.of(r.end - 1); ++b) {
      const Range block = request.blocks.range(b);
      const Index overlap = std::min(block.end, r.end) - std::max(block.begin, r.begin);
      sums[static_cast<std::size_t>(b)] += std::min(overlap, rows[v]);
    }
  }
  return sums;
}

}  // namespace opx::sampling
