// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// cluster: the graph's parts are drawn instead of its vertices (Chiang et al., KDD 2019), by one keyed
// permutation of the parts an epoch; a sub-batch is the union of q of the M parts. Which part each vertex is
// in is read of the whole graph at set-up; kept are the members of the parts in the blocks that are looked
// at, and how many every block has of every part.
#include <algorithm>
#include <functional>
#include <numeric>

#include "base/error.hpp"
#include "sampling/families.hpp"
#include "sampling/shuffle.hpp"

namespace opx::sampling {
namespace {

constexpr Index kPiece = Index{1} << 20;

class ClusterSampler final : public Sampler {
 public:
  explicit ClusterSampler(const Request& request)
      : blocks_(request.blocks),
        shuffle_(request.options.seed),
        parts_(request.store.info().parts),
        batches_(batches_of(request.options.ratio)) {
    const std::string& name = request.store.info().name;
    OPX_REQUIRE(parts_ > 0, InvalidArgument,
                "'{}' has no parts for sampler cluster; prepare it with --parts M or --parts auto", name);
    OPX_REQUIRE(batches_ <= parts_, InvalidArgument,
                "a batch ratio of {} gives less than one of the {} parts of '{}': the least ratio is {:.6g}; "
                "or prepare with more --parts",
                request.options.ratio, parts_, name, 1 / static_cast<double>(parts_));
    read_parts(request.store);
    bound_rows();
  }

  [[nodiscard]] Index batches() const noexcept override { return batches_; }
  [[nodiscard]] Index most_block_rows() const noexcept override { return most_rows_; }
  [[nodiscard]] bool unbiased() const noexcept override { return batches_ == 1 || parts_ / batches_ >= 2; }
  void draw(Index epoch, Index index, Selection& out) override;

 private:
  void read_parts(const graph::Store& store);
  void bound_rows();
  [[nodiscard]] std::span<Index> rows_of(Index part) {
    return std::span(part_rows_)
        .subspan(static_cast<std::size_t>(part * blocks_.count()), static_cast<std::size_t>(blocks_.count()));
  }

  Blocks blocks_;
  Shuffle shuffle_;
  Index parts_, batches_, most_rows_ = 0;
  std::vector<Index> part_rows_;       // parts x P: members of each part in each block
  std::vector<Index> offsets_;         // parts + 1, into members_
  std::vector<std::int32_t> members_;  // of blocks looked at, part by part
  std::vector<Index> rows_;            // of each block, of the draw under way
  std::unique_ptr<Draw> draw_;
};

void ClusterSampler::read_parts(const graph::Store& store) {
  const Index n = blocks_.vertices();
  std::vector<std::int32_t> part(static_cast<std::size_t>(n));
  for (Index at = 0; at < n; at += kPiece) {
    const Range r{at, std::min(at + kPiece, n)};
    store.read_parts(
        r, std::span(part).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(r.size())));
  }
  part_rows_.assign(static_cast<std::size_t>(parts_ * blocks_.count()), 0);
  offsets_.assign(static_cast<std::size_t>(parts_) + 1, 0);
  const auto each = [&](auto&& use) {
    for (int b = 0; b < blocks_.count(); ++b)
      for (Index p = blocks_.range(b).begin; p < blocks_.range(b).end; ++p)
        use(b, p, part[static_cast<std::size_t>(p)]);
  };
  each([&](int b, Index, std::int32_t k) {
    ++rows_of(k)[static_cast<std::size_t>(b)];
    if (blocks_.looks_at(b)) ++offsets_[static_cast<std::size_t>(k) + 1];
  });
  std::partial_sum(offsets_.begin(), offsets_.end(), offsets_.begin());
  members_.resize(static_cast<std::size_t>(offsets_.back()));
  std::vector<Index> next(offsets_.begin(), offsets_.end() - 1);
  each([&](int b, Index p, std::int32_t k) {
    if (!blocks_.looks_at(b)) return;
    members_[static_cast<std::size_t>(next[static_cast<std::size_t>(k)]++)] = static_cast<std::int32_t>(p);
  });
}

// The largest parts of each block together.
void ClusterSampler::bound_rows() {
  const Index most_parts = ceil_div(parts_, batches_);
  std::vector<Index> of_block(static_cast<std::size_t>(parts_));
  for (int b = 0; b < blocks_.count(); ++b) {
    for (Index k = 0; k < parts_; ++k)
      of_block[static_cast<std::size_t>(k)] = rows_of(k)[static_cast<std::size_t>(b)];
    std::nth_element(of_block.begin(), of_block.begin() + most_parts, of_block.end(), std::greater<>());
    most_rows_ =
        std::max(most_rows_, std::accumulate(of_block.begin(), of_block.begin() + most_parts, Index{0}));
  }
  rows_.resize(static_cast<std::size_t>(blocks_.count()));
  draw_ =
      std::make_unique<Draw>(blocks_.vertices(), most_rows_ * static_cast<Index>(blocks_.looked_at().size()));
}

void ClusterSampler::draw(Index epoch, Index index, Selection& out) {
  OPX_REQUIRE(epoch >= 0 && index >= 0 && index < batches_, InvalidArgument,
              "sub-batch {} of epoch {}; an epoch has {}", index, epoch, batches_);
  const Range chunk = even_range(parts_, batches_, index);
  draw_->clear();
  std::fill(rows_.begin(), rows_.end(), Index{0});
  shuffle_.each(static_cast<std::uint64_t>(epoch), parts_, chunk, [&](Index part) {
    const auto k = static_cast<std::size_t>(part);
    for (std::size_t b = 0; b < rows_.size(); ++b) rows_[b] += rows_of(part)[b];
    for (Index i = offsets_[k]; i < offsets_[k + 1]; ++i)
      draw_->add(members_[static_cast<std::size_t>(i)], static_cast<std::uint32_t>(part));
  });
  out.vertices = std::accumulate(rows_.begin(), rows_.end(), Index{0});
  out.block_rows = *std::max_element(rows_.begin(), rows_.end());
  const Index q = chunk.size();
  const float other = q == parts_ ? 1.0F
                      : q < 2
                          ? 0.0F
                          : static_cast<float>(static_cast<double>(parts_ - 1) / static_cast<double>(q - 1));
  draw_->sort();
  draw_->hand_out(blocks_, out, [&](std::size_t i, std::uint32_t part) {
    out.stratum[i] = static_cast<std::int32_t>(part);
    out.same[i] = 1, out.other[i] = other, out.weight[i] = 1;
  });
}

}  // namespace

std::unique_ptr<Sampler> make_cluster(const Request& request) {
  return std::make_unique<ClusterSampler>(request);
}

}  // namespace opx::sampling
