// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// saint-walk: the random-walk sampler of GraphSAINT (Zeng et al., ICLR 2020). R roots by a keyed permutation,
// from each a walk of L edges, every edge drawn among the entries of the row that the walk is at (the
// sources that this vertex aggregates); S is what the walks visit. Walks go anywhere, so every rank keeps the
// pattern of the whole graph: O(nnz) memory, unlike all other samplers.
//
// R is fitted at set-up, so that |S| is near ratio * N in the mean. The normalisers come from presampled
// sub-batches too. GraphSAINT keeps one for each edge, C_v / C_uv; here it is summed over the rows v that
// read a source u: factor of u = sum_v C_v / sum_v C_uv. So the contributions of u over all sampled rows are
// right in the mean, those to a single row are not: the sampler is not unbiased, and does not claim to be.
#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include <unistd.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "device/context.hpp"
#include "sampling/families.hpp"
#include "sampling/shuffle.hpp"

namespace opx::sampling {
namespace {

constexpr int kFits = 4, kDrawsOfFit = 3, kMostWalk = 60;
constexpr std::uint32_t kWalkLayer = 64;       // apart from what Shuffle takes
constexpr Index kPresampled = Index{1} << 60;  // draws from here on are those of no epoch, see batches_of()
constexpr Index kMostPresamples = 1000000;

// The rows of the whole graph.
struct Pattern {
  std::vector<Index> offsets;
  std::vector<std::int32_t> sources;
  [[nodiscard]] std::span<const std::int32_t> row(std::int32_t v) const {
    const auto i = static_cast<std::size_t>(v);
    return std::span(sources).subspan(static_cast<std::size_t>(offsets[i]),
                                      static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
  }
};

Pattern read_pattern(const graph::Store& store) {
  const graph::StoreInfo& info = store.info();
  Pattern p;
  p.offsets.assign(1, 0);
  p.offsets.reserve(static_cast<std::size_t>(info.vertices) + 1);
  p.sources.reserve(static_cast<std::size_t>(info.edges));
  device::Context context({.threads = 1});
  const Range all{0, info.vertices};
  for (Index t = 0; t < info.tiles_per_side; ++t) {
    const Range rows = even_range(info.vertices, info.tiles_per_side, t);
    const graph::Edges edges = store.read_edges(context, rows, std::span(&all, 1));
    p.sources.insert(p.sources.end(), edges.col.span().begin(), edges.col.span().end());
    Index at = 0;
    for (Index r = 0; r < rows.size(); ++r) {
      while (at < edges.row.size() && edges.row[at] == r) ++at;
      p.offsets.push_back(static_cast<Index>(p.sources.size()) - edges.row.size() + at);
    }
  }
  return p;
}

class SaintWalkSampler final : public Sampler {
 public:
  explicit SaintWalkSampler(const Request& request);
  [[nodiscard]] Index batches() const noexcept override { return batches_; }
  [[nodiscard]] Index most_block_rows() const noexcept override { return most_rows_; }
  [[nodiscard]] bool unbiased() const noexcept override { return full_; }
  void draw(Index epoch, Index index, Selection& out) override;

 private:
  [[nodiscard]] Index vertices() const noexcept { return blocks_.vertices(); }
  void walk(Index number);
  void visit(std::int32_t v) {
    if (std::exchange(stamp_[static_cast<std::size_t>(v)], now_) != now_) visited_.push_back(v);
  }
  [[nodiscard]] bool visited(std::int32_t v) const { return stamp_[static_cast<std::size_t>(v)] == now_; }
  void fit_roots(Index target);
  void presample(Index draws);

  Blocks blocks_;
  Shuffle shuffle_;
  Index batches_, roots_ = 1, most_rows_ = 0;
  int length_;
  bool full_;
  Pattern pattern_;
  std::vector<std::uint32_t> stamp_;
  std::uint32_t now_ = 0;
  std::vector<std::int32_t> visited_;   // of the draw under way, in order of the walks
  std::vector<float> factor_, weight_;  // of each vertex
  std::vector<Index> rows_;
  std::unique_ptr<Draw> draw_;
};

void require_memory(const graph::StoreInfo& info, int ranks) {
  const double own = 4.0 * static_cast<double>(info.edges) + 44.0 * static_cast<double>(info.vertices);
  const double need = own * std::max(ranks, 1);
  const double have =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  OPX_REQUIRE(need <= have, OutOfMemory,
              "sampler saint-walk keeps the pattern of the whole graph on every rank: {} entries take about "
              "{} for each of {} ranks, and this machine has {}; take another sampler",
              base::format_count(info.edges), base::format_bytes(own), ranks, base::format_bytes(have));
}

SaintWalkSampler::SaintWalkSampler(const Request& request)
    : blocks_(request.blocks),
      shuffle_(request.options.seed),
      batches_(batches_of(request.options.ratio)),
      length_(request.options.walk_length),
      full_(batches_ == 1) {
  const SamplerOptions& o = request.options;
  const auto target = static_cast<Index>(o.ratio * static_cast<double>(vertices()));
  OPX_REQUIRE(length_ >= 1 && length_ <= kMostWalk, InvalidArgument, "walks of {} edges; 1 to {} will do",
              length_, kMostWalk);
  OPX_REQUIRE(o.presamples >= 1 && o.presamples <= kMostPresamples, InvalidArgument,
              "{} epochs of presampled sub-batches; 1 to {} will do", o.presamples, kMostPresamples);
  OPX_REQUIRE(target >= 1, InvalidArgument,
              "a batch ratio of {} of the {} vertices of '{}' gives less than one; the least ratio is {:.6g}",
              o.ratio, vertices(), request.store.info().name, 1 / static_cast<double>(vertices()));
  require_memory(request.store.info(), o.ranks_here);
  pattern_ = read_pattern(request.store);
  const auto n = static_cast<std::size_t>(vertices());
  stamp_.assign(n, 0);
  visited_.reserve(n);
  if (full_) {
    roots_ = vertices();
    factor_.assign(n, 1), weight_.assign(n, 1);
  } else {
    fit_roots(target);
    presample(o.presamples * batches_);
  }
  Index longest = 0;
  for (int b = 0; b < blocks_.count(); ++b) longest = std::max(longest, blocks_.range(b).size());
  most_rows_ = std::min(longest, roots_ * (length_ + 1));
  rows_.resize(static_cast<std::size_t>(blocks_.count()));
  draw_ = std::make_unique<Draw>(vertices(), std::min(vertices(), roots_ * (length_ + 1)));
}

// The visited vertices of draw `number`, into visited_.
void SaintWalkSampler::walk(Index number) {
  if (now_ == std::numeric_limits<std::uint32_t>::max()) {
    std::fill(stamp_.begin(), stamp_.end(), 0U);
    now_ = 0;
  }
  ++now_;
  visited_.clear();
  const Index windows = vertices() / roots_, at = number % windows * roots_;
  auto walker = static_cast<std::uint64_t>(0);
  const auto low = static_cast<std::uint32_t>(number), high = static_cast<std::uint32_t>(number >> 32);
  shuffle_.each(static_cast<std::uint64_t>(number / windows), vertices(), {at, at + roots_}, [&](Index root) {
    auto v = static_cast<std::int32_t>(root);
    visit(v);
    for (std::uint32_t step = 0; step < static_cast<std::uint32_t>(length_); ++step) {
      const auto row = pattern_.row(v);
      if (row.empty()) break;
      const auto r = base::philox(shuffle_.key(),
                                  {.step = low, .layer = kWalkLayer + step, .vertex = walker, .word = high});
      v = row[base::uniform_below(r[0], r[1], row.size())];
      visit(v);
    }
    ++walker;
  });
}

// Walks overlap the more the more there are: a few secant steps, in integers.
void SaintWalkSampler::fit_roots(Index target) {
  roots_ = std::max<Index>(1, target / (length_ + 1));
  Index number = 2 * kPresampled;
  for (int fit = 0; fit < kFits; ++fit) {
    Index seen = 0;
    for (int i = 0; i < kDrawsOfFit; ++i) {
      walk(number++);
      seen += static_cast<Index>(visited_.size());
    }
    const auto fitted = static_cast<__int128>(roots_) * target * kDrawsOfFit / seen;
    roots_ = static_cast<Index>(std::clamp<__int128>(fitted, 1, vertices()));
  }
}

void SaintWalkSampler::presample(Index draws) {
  const auto n = static_cast<std::size_t>(vertices());
  std::vector<std::uint32_t> taken(n, 0);    // C_u
  std::vector<Index> met(n, 0), rows(n, 0);  // sums over v of C_uv and of C_v
  Index total = 0;
  for (Index k = 0; k < draws; ++k) {
    walk(kPresampled + k);
    total += static_cast<Index>(visited_.size());
    for (const std::int32_t v : visited_) {
      ++taken[static_cast<std::size_t>(v)];
      for (const std::int32_t u : pattern_.row(v))
        if (u != v && visited(u)) ++met[static_cast<std::size_t>(u)];
    }
  }
  for (std::size_t v = 0; v < n; ++v)
    for (const std::int32_t u : pattern_.row(static_cast<std::int32_t>(v)))
      if (u != static_cast<std::int32_t>(v)) rows[static_cast<std::size_t>(u)] += taken[v];
  factor_.resize(n), weight_.resize(n);
  const double mean = static_cast<double>(total) / static_cast<double>(n);
  for (std::size_t u = 0; u < n; ++u) {
    const double seen = std::max(1.0, static_cast<double>(taken[u]));
    weight_[u] = static_cast<float>(mean / seen);
    factor_[u] = static_cast<float>(met[u] > 0 ? static_cast<double>(rows[u]) / static_cast<double>(met[u])
                                               : static_cast<double>(draws) / seen);
  }
}

void SaintWalkSampler::draw(Index epoch, Index index, Selection& out) {
  OPX_REQUIRE(epoch >= 0 && index >= 0 && index < batches_, InvalidArgument,
              "sub-batch {} of epoch {}; an epoch has {}", index, epoch, batches_);
  walk(epoch * batches_ + index);
  draw_->clear();
  std::fill(rows_.begin(), rows_.end(), Index{0});
  for (const std::int32_t v : visited_) {
    const int b = blocks_.of(v);
    ++rows_[static_cast<std::size_t>(b)];
    if (blocks_.looks_at(b)) draw_->add(v, static_cast<std::uint32_t>(v));
  }
  out.vertices = static_cast<Index>(visited_.size());
  out.block_rows = *std::max_element(rows_.begin(), rows_.end());
  draw_->sort();
  draw_->hand_out(blocks_, out, [&](std::size_t i, std::uint32_t v) {
    out.stratum[i] = 0;
    out.same[i] = out.other[i] = factor_[v];
    out.weight[i] = weight_[v];
  });
}

}  // namespace

std::unique_ptr<Sampler> make_saint_walk(const Request& request) {
  return std::make_unique<SaintWalkSampler>(request);
}

}  // namespace opx::sampling
