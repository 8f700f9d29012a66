// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// uniform: all vertices are one stratum. Every rank evaluates the whole chunk and keeps its own blocks of it.
#include "base/error.hpp"
#include "sampling/families.hpp"
#include "sampling/strata.hpp"

namespace opx::sampling {

std::unique_ptr<Sampler> make_uniform(const Request& request) {
  const Index n = request.vertices();
  StrataPlan plan{.batches = batches_of(request.options.ratio)};
  OPX_REQUIRE(plan.batches <= n, InvalidArgument,
              "a batch ratio of {} of the {} vertices of '{}' gives less than one; the least ratio is {:.6g}",
              request.options.ratio, n, request.store.info().name, 1 / static_cast<double>(n));
  plan.strata.push_back(
      {.members = n, .chunks = plan.batches, .clip = !request.blocks.all_looked_at({0, n}), .count = true});
  plan.unbiased = plan.strata[0].exact();
  plan.block_rows.assign(static_cast<std::size_t>(request.blocks.count()), 0);
  plan.most_block_rows = most_in_block(request.blocks, plan.strata[0].most());
  return make_strata_sampler(request.blocks, request.options.seed, std::move(plan));
}

}  // namespace opx::sampling
