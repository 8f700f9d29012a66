// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// stratified: one stratum for each virtual block, as many chunks as sub-batches.
#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "sampling/families.hpp"
#include "sampling/strata.hpp"

namespace opx::sampling {
namespace {

constexpr Index kMostSums = Index{1} << 26;  // strata times sub-batches that are summed up exactly

// The most that one sub-batch has in one block of the grid. Exact where blocks are unions of strata.
Index most_rows(const Blocks& blocks, const std::vector<Stratum>& all, Index batches) {
  const auto strata = static_cast<Index>(all.size());
  Index most = 0;
  if (strata % blocks.count() == 0 && strata * batches <= kMostSums) {
    const Index per_block = strata / blocks.count();
    for (Index i = 0; i < batches; ++i) {
      for (Index v = 0; v < strata; v += per_block) {
        Index sum = 0;
        for (Index k = v; k < v + per_block; ++k) sum += all[static_cast<std::size_t>(k)].chunk(i).size();
        most = std::max(most, sum);
      }
    }
    return most;
  }
  for (int b = 0; b < blocks.count(); ++b) {
    const Range block = blocks.range(b);
    Index sum = 0;
    for (const Stratum& s : all) {
      const Index overlap = std::min(block.end, s.begin + s.members) - std::max(block.begin, s.begin);
      sum += std::clamp<Index>(overlap, 0, s.most());
    }
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace

std::unique_ptr<Sampler> make_stratified(const Request& request) {
  const Index n = request.vertices(), blocks = request.virtual_blocks();
  StrataPlan plan{.batches = batches_of(request.options.ratio)};
  const Index smallest = n / blocks;
  OPX_REQUIRE(plan.batches <= smallest, InvalidArgument,
              "a batch ratio of {} gives less than one vertex of each of the {} virtual blocks of '{}' (the "
              "smallest has {}): the least ratio is {:.6g}; or prepare with fewer --virtual-blocks",
              request.options.ratio, blocks, request.store.info().name, smallest,
              1 / static_cast<double>(std::max<Index>(smallest, 1)));
  std::vector<Stratum> all;
  for (Index v = 0; v < blocks; ++v) {
    const Range r = even_range(n, blocks, v);
    all.push_back({.id = static_cast<std::int32_t>(v),
                   .members = r.size(),
                   .chunks = plan.batches,
                   .begin = r.begin,
                   .clip = !request.blocks.all_looked_at(r)});
    plan.unbiased = plan.unbiased && all.back().exact();
  }
  plan.most_block_rows = most_rows(request.blocks, all, plan.batches);
  plan.block_rows.assign(static_cast<std::size_t>(request.blocks.count()), plan.most_block_rows);
  for (const Stratum& s : all) {
    const bool mine = request.blocks.any_looked_at({s.begin, s.begin + s.members});
    (mine ? plan.strata : plan.others).push_back(s);
  }
  return make_strata_sampler(request.blocks, request.options.seed, std::move(plan));
}

}  // namespace opx::sampling
