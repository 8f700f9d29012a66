// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.hpp"
#include "base/text.hpp"
#include "sampling/families.hpp"

namespace opx::sampling {
namespace {

constexpr std::array<std::string_view, 6> kKinds{"stratified", "uniform", "degree",
                                                 "train",      "cluster", "saint-walk"};
constexpr std::array<std::string_view, 2> kEstimators{"unbiased", "self-normalised"};

}  // namespace

std::string_view name(Kind kind) noexcept { return kKinds[static_cast<std::size_t>(kind)]; }
Kind parse_kind(std::string_view text) {
  return static_cast<Kind>(base::index_of_name(text, kKinds, "sampler"));
}
std::string_view name(Estimator estimator) noexcept {
  return kEstimators[static_cast<std::size_t>(estimator)];
}
Estimator parse_estimator(std::string_view text) {
  return static_cast<Estimator>(base::index_of_name(text, kEstimators, "estimator"));
}

std::unique_ptr<Sampler> make_sampler(const graph::Store& store, const layout::Grid& grid,
                                      std::span<const int> blocks, const SamplerOptions& options) {
  OPX_REQUIRE(std::isfinite(options.ratio) && options.ratio > 0 && options.ratio <= 1, InvalidArgument,
              "a batch ratio of {}; it is the share of the vertices in a sub-batch, above 0 and at most 1",
              options.ratio);
  OPX_REQUIRE(store.info().vertices > 0, InvalidArgument, "'{}' has no vertices to sample",
              store.info().name);
  // Positions and strata (up to 17 of each virtual block) are 32-bit numbers.
  constexpr Index kMost = std::numeric_limits<std::int32_t>::max();
  OPX_REQUIRE(store.info().vertices <= kMost && store.info().virtual_blocks <= kMost / 17, InvalidArgument,
              "'{}' has {} vertices in {} virtual blocks; samplers take up to {} and {}", store.info().name,
              store.info().vertices, store.info().virtual_blocks, kMost, kMost / 17);
  const Blocks looked(store.info().vertices, grid.tensor_ranks(), blocks);
  const Request request{store, looked, options};
  switch (options.kind) {
    case Kind::kStratified:
      return make_stratified(request);
    case Kind::kUniform:
      return make_uniform(request);
    case Kind::kDegree:
      return make_degree(request);
    case Kind::kTrain:
      return make_train(request);
    case Kind::kCluster:
      return make_cluster(request);
    case Kind::kSaintWalk:
      return make_saint_walk(request);
  }
  throw base::InvalidArgument(fmt::format("sampler number {}", static_cast<int>(options.kind)));
}

std::vector<int> blocks_of_rank(const layout::Grid& grid, layout::Coord coord, Index layers) {
  coord.d = 0;
  std::vector<int> blocks{grid.rank_of(coord)};
  for (Index l = 0; l < std::min<Index>(layers, 3); ++l) {
    const layout::Roles roles = layout::roles_of(l);
    for (const auto& slab : {layout::row_blocks(grid, roles, coord[roles.r]),
                             layout::column_blocks(grid, roles, coord[roles.k])})
      blocks.insert(blocks.end(), slab.begin(), slab.end());
  }
  std::sort(blocks.begin(), blocks.end());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  return blocks;
}

}  // namespace opx::sampling
