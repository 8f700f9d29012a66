// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// train: every training vertex once an epoch, the hubs always, others to fill up. The strata of training
// vertices are groups of neighbouring virtual blocks, the smallest powers of two for which each group gives
// at least two to every sub-batch (or has none); hubs and others are strata of one virtual block. Splits are
// read of the whole graph, so that every rank knows the training vertices and how many others each block
// gives.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "sampling/families.hpp"
#include "sampling/strata.hpp"

namespace opx::sampling {
namespace {

constexpr Index kPiece = Index{1} << 20;

struct TrainVertices {
  std::vector<std::int32_t> positions;  // rising
  std::vector<Index> offsets;           // V + 1: of each virtual block
  [[nodiscard]] Index of_block(Index v) const {
    return offsets[static_cast<std::size_t>(v) + 1] - offsets[static_cast<std::size_t>(v)];
  }
};

TrainVertices read_train(const Request& request) {
  TrainVertices out;
  std::vector<graph::Split> piece;
  for (Index at = 0; at < request.vertices(); at += kPiece) {
    const Range r{at, std::min(at + kPiece, request.vertices())};
    piece.resize(static_cast<std::size_t>(r.size()));
    request.store.read_splits(r, piece);
    for (Index p = r.begin; p < r.end; ++p)
      if (piece[static_cast<std::size_t>(p - at)] == graph::Split::kTrain)
        out.positions.push_back(static_cast<std::int32_t>(p));
  }
  for (Index v = 0; v <= request.virtual_blocks(); ++v) {
    const Index begin = v == request.virtual_blocks()
                            ? request.vertices()
                            : even_range(request.vertices(), request.virtual_blocks(), v).begin;
    out.offsets.push_back(std::lower_bound(out.positions.begin(), out.positions.end(), begin) -
                          out.positions.begin());
  }
  return out;
}

class TrainPlan {
 public:
  explicit TrainPlan(const Request& request) : request_(request), blocks_(request.virtual_blocks()) {}
  StrataPlan make();

 private:
  void choose_batches();
  [[nodiscard]] Index group_size() const;
  void add_train();
  void add_rest(Index block);

  const Request& request_;
  Index blocks_;
  TrainVertices train_;
  StrataPlan plan_;
  std::vector<Index> train_rows_;     // P: the most training vertices of one sub-batch
  std::vector<Index> hubs_, others_;  // V
};

void TrainPlan::choose_batches() {
  const SamplerOptions& o = request_.options;
  const auto count = static_cast<Index>(train_.positions.size());
  OPX_REQUIRE(count > 0, InvalidArgument, "'{}' has no training vertices for sampler train",
              request_.store.info().name);
  OPX_REQUIRE(std::isfinite(o.hub_share) && o.hub_share >= 0 && o.hub_share < 1, InvalidArgument,
              "a hub share of {}; it is the share of a sub-batch, at least 0 and below 1", o.hub_share);
  OPX_REQUIRE(std::isfinite(o.train_share) && o.train_share >= 0 && o.train_share <= 1, InvalidArgument,
              "a training share of {}; it is the share of a sub-batch, from 0 to 1", o.train_share);
  plan_.batches = batches_of(o.ratio);
  if (o.train_share > 0) {
    const double most = o.train_share * o.ratio * static_cast<double>(request_.vertices());
    const double fewest = std::ceil(static_cast<double>(count) / most);
    if (fewest < static_cast<double>(plan_.batches))
      plan_.batches = std::max<Index>(1, static_cast<Index>(fewest));
  }
  plan_.batches = std::min(plan_.batches, std::max<Index>(1, count / 2));
}

Index TrainPlan::group_size() const {
  for (Index size = 1; size < blocks_; size *= 2) {
    bool enough = plan_.batches == 1;
    for (Index v = 0; !enough && v < blocks_; v += size) {
      const Index n = train_.offsets[static_cast<std::size_t>(std::min(v + size, blocks_))] -
                      train_.offsets[static_cast<std::size_t>(v)];
      if (n != 0 && n < 2 * plan_.batches) break;
      enough = v + size >= blocks_;
    }
    if (enough) return size;
  }
  return blocks_;
}

void TrainPlan::add_train() {
  const Index size = group_size();
  const Blocks& blocks = request_.blocks;
  train_rows_.assign(static_cast<std::size_t>(blocks.count()), 0);
  for (Index v = 0; v < blocks_; v += size) {
    const Index begin = train_.offsets[static_cast<std::size_t>(v)],
                end = train_.offsets[static_cast<std::size_t>(std::min(v + size, blocks_))];
    if (begin == end) continue;
    const Range span{train_.positions[static_cast<std::size_t>(begin)],
                     train_.positions[static_cast<std::size_t>(end - 1)] + Index{1}};
    plan_.strata.push_back({.id = static_cast<std::int32_t>(v / size),
                            .members = end - begin,
                            .chunks = plan_.batches,
                            .list = begin,
                            .clip = !blocks.all_looked_at(span),
                            .count = true});
    plan_.unbiased = plan_.unbiased && plan_.strata.back().exact();
    const auto first = train_.positions.begin() + begin, last = train_.positions.begin() + end;
    for (int b = blocks.of(span.begin); b <= blocks.of(span.end - 1); ++b) {
      const Range r = blocks.range(b);
      const Index overlap = std::lower_bound(first, last, r.end) - std::lower_bound(first, last, r.begin);
      train_rows_[static_cast<std::size_t>(b)] += std::min(overlap, plan_.strata.back().most());
    }
  }
  plan_.members = train_.positions;
}

void TrainPlan::add_rest(Index block) {
  const Range range = even_range(request_.vertices(), blocks_, block);
  const std::vector<Index> weight = source_weights(request_.store, range);
  std::vector<std::int32_t> rest(static_cast<std::size_t>(range.size()));
  std::iota(rest.begin(), rest.end(), static_cast<std::int32_t>(range.begin));
  const auto first = train_.positions.begin() + train_.offsets[static_cast<std::size_t>(block)],
             last = train_.positions.begin() + train_.offsets[static_cast<std::size_t>(block) + 1];
  const auto trains = [&](std::int32_t p) { return std::binary_search(first, last, p); };
  rest.erase(std::remove_if(rest.begin(), rest.end(), trains), rest.end());
  std::stable_sort(rest.begin(), rest.end(), [&](std::int32_t a, std::int32_t b) {
    return weight[static_cast<std::size_t>(a - range.begin)] >
           weight[static_cast<std::size_t>(b - range.begin)];
  });
  const auto hubs = static_cast<std::size_t>(hubs_[static_cast<std::size_t>(block)]);
  const Index draws = others_[static_cast<std::size_t>(block)];
  const bool clip = !request_.blocks.all_looked_at(range);
  const double chunk = 1 / static_cast<double>(plan_.batches);
  const std::span all(rest);
  plan_.add_list(blocks_ + block, all.first(hubs), static_cast<Index>(hubs), chunk, clip);
  if (draws == 0) return;
  const auto rate = static_cast<double>(rest.size() - hubs) / static_cast<double>(draws);
  plan_.add_list(2 * blocks_ + block, all.subspan(hubs), draws, chunk * rate, clip);
}

StrataPlan TrainPlan::make() {
  require_a_vertex_of_each_block(request_);
  train_ = read_train(request_);
  choose_batches();
  add_train();
  std::vector<Index> rows(static_cast<std::size_t>(blocks_));
  hubs_ = others_ = rows;
  for (Index v = 0; v < blocks_; ++v) {
    const auto i = static_cast<std::size_t>(v);
    const Range range = even_range(request_.vertices(), blocks_, v);
    const Index total = share_of_block(request_, v), trained = train_.of_block(v);
    const Index rest = range.size() - trained;
    hubs_[i] = std::min(
        rest, static_cast<Index>(std::llround(request_.options.hub_share * static_cast<double>(total))));
    const Index other = rest - hubs_[i];
    const Index chunk = (2 * trained + plan_.batches) / (2 * plan_.batches);
    others_[i] = std::clamp(total - hubs_[i] - chunk, std::min<Index>(2, other), other);
    rows[i] = hubs_[i] + others_[i];
    if (request_.blocks.any_looked_at(range))
      add_rest(v);
    else
      plan_.constant_vertices += rows[i];
  }
  plan_.block_rows = rows_of_blocks(request_, rows);
  for (std::size_t b = 0; b < train_rows_.size(); ++b)
    plan_.most_block_rows = std::max(plan_.most_block_rows, plan_.block_rows[b] + train_rows_[b]);
  return std::move(plan_);
}

}  // namespace

std::unique_ptr<Sampler> make_train(const Request& request) {
  return make_strata_sampler(request.blocks, request.options.seed, TrainPlan(request).make());
}

}  // namespace opx::sampling
