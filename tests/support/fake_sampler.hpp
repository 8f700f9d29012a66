// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A sampler that draws every vertex by itself, with factors that tell its (v, u) pairs apart: what tests of
// the tiles need, whatever the samplers do.
#pragma once

#include <cmath>
#include <vector>

#include "base/random.hpp"
#include "layout/placement.hpp"
#include "sampling/sampler.hpp"

namespace opx::test {

struct FakeOptions {
  double ratio = 0.4;
  bool equal_factors = false;  ///< the same for all vertices
  int strata = 7;
  int empty_block = -1;  ///< gives nothing
};

class FakeSampler final : public sampling::Sampler {
 public:
  FakeSampler(Index vertices, const layout::Grid& grid, std::vector<int> blocks, FakeOptions options)
      : vertices_(vertices),
        blocks_of_grid_(grid.tensor_ranks()),
        blocks_(std::move(blocks)),
        options_(options) {}

  // The rule, for the reference.
  [[nodiscard]] bool in(Index epoch, Index index, Index v) const {
    const Range none = options_.empty_block < 0
                           ? Range{}
                           : layout::block_range(vertices_, blocks_of_grid_, options_.empty_block);
    return !none.contains(v) && uniform(epoch, index, v, 0) < options_.ratio;
  }
  [[nodiscard]] int stratum(Index v) const {
    return static_cast<int>(v * options_.strata / std::max<Index>(1, vertices_));
  }
  [[nodiscard]] float factor(Index v, Index u) const { return stratum(v) == stratum(u) ? same(u) : other(u); }
  [[nodiscard]] float weight(Index v) const { return 0.5F + static_cast<float>(uniform(0, 0, v, 3)); }

  [[nodiscard]] Index batches() const noexcept override { return 5; }
  [[nodiscard]] Index most_block_rows() const noexcept override {
    return layout::padded_rows(vertices_, blocks_of_grid_);
  }
  [[nodiscard]] bool unbiased() const noexcept override { return false; }
  void draw(Index epoch, Index index, sampling::Selection& out) override {
    out.vertices = out.block_rows = 0;
    out.offsets.assign(1, 0);
    out.position.clear(), out.stratum.clear(), out.same.clear(), out.other.clear(), out.weight.clear();
    std::size_t next = 0;
    for (int b = 0; b < blocks_of_grid_; ++b) {
      const bool looked_at = next < blocks_.size() && blocks_[next] == b;
      if (looked_at) ++next;
      const Range range = layout::block_range(vertices_, blocks_of_grid_, b);
      Index rows = 0;
      for (Index v = range.begin; v < range.end; ++v) {
        if (!in(epoch, index, v)) continue;
        ++rows;
        if (looked_at) add(v, out);
      }
      out.vertices += rows;
      out.block_rows = std::max(out.block_rows, rows);
      out.offsets.push_back(std::ssize(out.position));
    }
  }

 private:
  static double uniform(Index epoch, Index index, Index v, std::uint32_t word) {
    const auto w =
        base::philox({42, base::Purpose::kTest}, {.step = static_cast<std::uint32_t>(epoch * 100 + index),
                                                  .vertex = static_cast<std::uint64_t>(v),
                                                  .word = word});
    return static_cast<double>(base::uniform_float(w[0]));
  }
  [[nodiscard]] float same(Index u) const {
    return options_.equal_factors ? 1.75F : 1.0F + static_cast<float>(uniform(0, 0, u, 1));
  }
  [[nodiscard]] float other(Index u) const {
    return options_.equal_factors ? 1.5F : 2.0F + static_cast<float>(uniform(0, 0, u, 2));
  }
  void add(Index v, sampling::Selection& out) const {
    out.position.push_back(static_cast<std::int32_t>(v));
    out.stratum.push_back(stratum(v));
    out.same.push_back(same(v));
    out.other.push_back(other(v));
    out.weight.push_back(weight(v));
  }

  Index vertices_;
  int blocks_of_grid_;
  std::vector<int> blocks_;
  FakeOptions options_;
};

/// All blocks of a grid.
inline std::vector<int> all_blocks(const layout::Grid& grid) {
  std::vector<int> blocks;
  for (int b = 0; b < grid.tensor_ranks(); ++b) blocks.push_back(b);
  return blocks;
}

}  // namespace opx::test
