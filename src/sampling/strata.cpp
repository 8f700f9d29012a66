// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/strata.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.hpp"
#include "sampling/shuffle.hpp"

namespace opx::sampling {
namespace {

constexpr std::uint32_t kGolden = 0x9E3779B9U;

struct Factors {
  float same = 1, other = 1;
};

// Of a stratum that gave b of its n members.
Factors factors(Index n, Index b) {
  const auto ratio = [](Index a, Index c) {
    return c > 0 ? static_cast<float>(static_cast<double>(a) / static_cast<double>(c)) : 0.0F;
  };
  return {.same = n == b ? 1.0F : ratio(n - 1, b - 1), .other = ratio(n, b)};
}

class StrataSampler final : public Sampler {
 public:
  StrataSampler(const Blocks& blocks, std::uint64_t seed, StrataPlan&& plan)
      : blocks_(blocks),
        shuffle_(seed),
        plan_(std::move(plan)),
        factors_(plan_.strata.size()),
        rows_(plan_.block_rows.size(), 0),
        draw_(blocks.vertices(), most_drawn()) {
    keep_shuffles();
  }

  [[nodiscard]] Index batches() const noexcept override { return plan_.batches; }
  [[nodiscard]] Index most_block_rows() const noexcept override { return plan_.most_block_rows; }
  [[nodiscard]] bool unbiased() const noexcept override { return plan_.unbiased; }

  void draw(Index epoch, Index index, Selection& out) override {
    OPX_REQUIRE(epoch >= 0 && index >= 0 && index < plan_.batches, InvalidArgument,
                "sub-batch {} of epoch {}; an epoch has {}", index, epoch, plan_.batches);
    const Index number = epoch * plan_.batches + index;
    draw_.clear();
    std::copy(plan_.block_rows.begin(), plan_.block_rows.end(), rows_.begin());
    out.vertices = plan_.constant_vertices;
    for (const Stratum& s : plan_.others) out.vertices += s.chunk(number).size();
    for (std::size_t s = 0; s < plan_.strata.size(); ++s)
      out.vertices += take(plan_.strata[s], static_cast<std::uint32_t>(s), number);
    out.block_rows = rows_.empty() ? 0 : *std::max_element(rows_.begin(), rows_.end());
    OPX_REQUIRE(out.block_rows <= plan_.most_block_rows, InternalError,
                "sub-batch {} of epoch {} has {} rows in a block, more than the {} that it has place for",
                index, epoch, out.block_rows, plan_.most_block_rows);
    draw_.sort();
    draw_.hand_out(blocks_, out, [&](std::size_t i, std::uint32_t s) {
      out.stratum[i] = plan_.strata[s].id;
      out.same[i] = factors_[s].same, out.other[i] = factors_[s].other;
      out.weight[i] = plan_.strata[s].weight;
    });
  }

 private:
  [[nodiscard]] Index most_drawn() const {
    Index sum = 0;
    for (const Stratum& s : plan_.strata) sum += s.most();
    const Index held = static_cast<Index>(blocks_.looked_at().size()) * plan_.most_block_rows;
    return std::min(sum, std::max(held, Index{0}));
  }

  void keep_shuffles();
  Index take(const Stratum& s, std::uint32_t at, Index number);
  void add(const Stratum& s, std::uint32_t at, Index member) {
    const Index position =
        s.list >= 0 ? plan_.members[static_cast<std::size_t>(s.list + member)] : s.begin + member;
    if (s.clip || s.count) {
      const int b = blocks_.of(position);
      if (s.count) ++rows_[static_cast<std::size_t>(b)];
      if (s.clip && !blocks_.looks_at(b)) return;
    }
    draw_.add(position, at);
  }

  Blocks blocks_;
  Shuffle shuffle_;
  StrataPlan plan_;
  std::vector<Factors> factors_;  // of the draw under way
  std::vector<Index> rows_;       // of each block, of the draw under way
  Draw draw_;
  std::vector<std::uint16_t> shuffled_;  // of small strata, two bytes a member
  std::vector<Shuffle::Kept> kept_;      // of each stratum
};

// The draws of a round go on with its shuffle instead of starting anew.
void StrataSampler::keep_shuffles() {
  const auto keeps = [](const Stratum& s) { return Shuffle::is_kept(s.members); };
  Index members = 0;
  for (const Stratum& s : plan_.strata) members += keeps(s) ? s.members : 0;
  shuffled_.resize(static_cast<std::size_t>(members));
  kept_.resize(plan_.strata.size());
  std::span<std::uint16_t> rest(shuffled_);
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    if (!keeps(plan_.strata[i])) continue;
    kept_[i].values = rest.first(static_cast<std::size_t>(plan_.strata[i].members));
    rest = rest.subspan(kept_[i].values.size());
  }
}

Index StrataSampler::take(const Stratum& s, std::uint32_t at, Index number) {
  const Range chunk = s.chunk(number);
  factors_[at] = factors(s.members, chunk.size());
  const auto rounds = static_cast<std::uint64_t>(number / s.chunks);
  // Sampled evaluation draws beyond 2^30 epochs: its rounds past 2^32 must not be those that training begins
  // with.
  const auto round = static_cast<std::uint32_t>(rounds) ^ static_cast<std::uint32_t>(rounds >> 32) * kGolden;
  shuffle_.each(static_cast<std::uint64_t>(s.id) << 32 | round, s.members, chunk, kept_[at],
                [&](Index member) { add(s, at, member); });
  return chunk.size();
}

}  // namespace

void StrataPlan::add_list(Index id, std::span<const std::int32_t> positions, Index draws, double weight,
                          bool clip) {
  const auto n = static_cast<Index>(positions.size());
  if (n == 0 || draws == 0) return;
  strata.push_back({.id = static_cast<std::int32_t>(id),
                    .members = n,
                    .chunks = n / draws,
                    .window = n == draws ? 0 : draws,
                    .list = static_cast<Index>(members.size()),
                    .clip = clip,
                    .weight = static_cast<float>(weight)});
  members.insert(members.end(), positions.begin(), positions.end());
}

std::unique_ptr<Sampler> make_strata_sampler(const Blocks& blocks, std::uint64_t seed, StrataPlan&& plan) {
  return std::make_unique<StrataSampler>(blocks, seed, std::move(plan));
}

Index most_in_block(const Blocks& blocks, Index drawn) {
  Index longest = 0;
  for (int b = 0; b < blocks.count(); ++b) longest = std::max(longest, blocks.range(b).size());
  const double share = static_cast<double>(longest) / static_cast<double>(blocks.vertices());
  const double mean = static_cast<double>(drawn) * share;
  const double bound = std::ceil(mean + 12 * std::sqrt(mean * (1 - share)) + 50);
  return std::min({longest, drawn, static_cast<Index>(bound)});
}

}  // namespace opx::sampling
