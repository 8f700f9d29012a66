// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// degree: within each virtual block, vertices by falling degree are cut into groups of equal sums of
// sqrt(degree + 1), and every group gives the same number: so a vertex of a group is drawn at a rate
// proportional to the group's mean of sqrt(degree + 1). Those whose rate would be one or more are always in;
// so are hubs (twice the mean weight) whose rate would be a half or more: few are alike, and a group of two
// needs four of them.
#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "sampling/families.hpp"
#include "sampling/strata.hpp"

namespace opx::sampling {
namespace {

constexpr Index kMostGroups = 16, kDrawsOfGroup = 2;  // a group gives at least so many vertices
constexpr Index kIdsOfBlock = kMostGroups + 1;

class DegreePlan {
 public:
  explicit DegreePlan(const Request& request) : request_(request) {}

  StrataPlan make() {
    require_a_vertex_of_each_block(request_);
    plan_.batches = batches_of(request_.options.ratio);
    const Index blocks = request_.virtual_blocks();
    std::vector<Index> rows(static_cast<std::size_t>(blocks));
    for (Index v = 0; v < blocks; ++v) rows[static_cast<std::size_t>(v)] = share_of_block(request_, v);
    share_ = static_cast<double>(std::accumulate(rows.begin(), rows.end(), Index{0})) /
             static_cast<double>(request_.vertices());
    for (Index v = 0; v < blocks; ++v) {
      const Range range = even_range(request_.vertices(), blocks, v);
      const Index draws = rows[static_cast<std::size_t>(v)];
      plan_.unbiased = plan_.unbiased && (draws >= 2 || range.size() == 1);
      if (request_.blocks.any_looked_at(range))
        add_block(v, range, draws);
      else
        plan_.constant_vertices += draws;
    }
    plan_.block_rows = rows_of_blocks(request_, rows);
    plan_.most_block_rows = *std::max_element(plan_.block_rows.begin(), plan_.block_rows.end());
    return std::move(plan_);
  }

 private:
  void add_block(Index block, Range range, Index draws);
  void add(Index id, std::span<const std::int32_t> members, Index draws, bool clip);

  const Request& request_;
  double share_ = 0;  // of all vertices, in a sub-batch
  StrataPlan plan_;
};

// The loss weight is the share of all vertices in a sub-batch over that of the group: the same sum for every
// vertex in the mean, also where rounding gives blocks different shares.
void DegreePlan::add(Index id, std::span<const std::int32_t> members, Index draws, bool clip) {
  const double inverse_chance = static_cast<double>(members.size()) / static_cast<double>(draws);
  plan_.add_list(id, members, draws, share_ * inverse_chance, clip);
}

void DegreePlan::add_block(Index block, Range range, Index draws) {
  const std::vector<Index> weight = source_weights(request_.store, range);
  const auto w = [&](std::int32_t p) { return weight[static_cast<std::size_t>(p - range.begin)]; };
  std::vector<std::int32_t> order(static_cast<std::size_t>(range.size()));
  std::iota(order.begin(), order.end(), static_cast<std::int32_t>(range.begin));
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return w(a) > w(b); });
  const bool clip = !request_.blocks.all_looked_at(range);

  // At least two are left to draw, so that any two can meet.
  Index sum = std::accumulate(weight.begin(), weight.end(), Index{0}), left = draws;
  std::size_t always = draws == range.size() ? order.size() : 0;
  if (always > 0) left = 0;
  const auto certain = [&] {
    const Index one = w(order[always]), others = range.size() - static_cast<Index>(always);
    return one * left >= sum || (2 * one * left >= sum && one * others >= 2 * sum);
  };
  for (; left > 2 && certain(); ++always) sum -= w(order[always]), --left;
  const std::span all(order);
  add(block * kIdsOfBlock, all.first(always), static_cast<Index>(always), clip);
  if (left == 0) return;

  const Index groups = std::clamp<Index>(left / kDrawsOfGroup, 1, kMostGroups);
  std::size_t begin = always, end = always;
  Index before = 0;  // weight of those ahead of `end`
  for (Index g = 0; g < groups; ++g, begin = end) {
    const Index take = even_range(left, groups, g).size();
    const auto later = static_cast<std::size_t>(left - even_range(left, groups, g).end);
    const auto grow = [&] { before += w(order[end++]); };
    while (end - begin < static_cast<std::size_t>(take)) grow();
    while (end + later < order.size() && (g + 1 == groups || before * groups < sum * (g + 1))) grow();
    add(block * kIdsOfBlock + 1 + g, all.subspan(begin, end - begin), take, clip);
  }
}

}  // namespace

std::unique_ptr<Sampler> make_degree(const Request& request) {
  return make_strata_sampler(request.blocks, request.options.seed, DegreePlan(request).make());
}

}  // namespace opx::sampling
