// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The sampler that most families are: the vertices are split into strata, and every sub-batch takes a random
// subset of a known size b of the n members of each, independently. So all its probabilities are exact:
// Pr[u in S | v in S] = b / n for u and v of different strata, (b - 1) / (n - 1) within one.
//
// A stratum's subsets are chunks of a keyed permutation of its members. A round is `chunks` sub-batches; draw
// number q = epoch * batches + index takes chunk (q + id) mod chunks of the permutation of round q div
// chunks (the shift by the id spreads chunks that are one longer over the strata, so that a union of strata
// gives nearly the same number every time). Chunks are even_range(n, chunks, i), which covers every member
// once a round, or, with `window` > 0, [i window, (i + 1) window): always b = window, a few members left out
// of each round.
//
// Worked example: n = 10, chunks = 3: b = 3, 3, 4, each of the ten once in three draws. With window = 3: b =
// 3, 3, 3, nine of the ten in each round, another one left out in the next.
//
// Private to sampling/.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "sampling/blocks.hpp"
#include "sampling/sampler.hpp"

namespace opx::sampling {

struct Stratum {
  std::int32_t id = 0;  ///< among all strata of the graph
  Index members = 0;    ///< n
  Index chunks = 1;     ///< draws of a round
  Index window = 0;     ///< 0: even chunks
  Index begin = 0;      ///< members are the positions begin + k, or
  Index list = -1;      ///< StrataPlan::members[list + k]
  bool clip = false;    ///< has members outside the blocks that are looked at
  bool count = false;   ///< its share of each block is counted at every draw
  float weight = 1;     ///< of its rows in the loss
  [[nodiscard]] Range chunk(Index draw) const noexcept {
    const Index i = (draw + id) % chunks;
    return window > 0 ? Range{i * window, (i + 1) * window}
                      : Range{members * i / chunks, members * (i + 1) / chunks};
  }
  /// The most that one draw takes.
  [[nodiscard]] Index most() const noexcept { return window > 0 ? window : ceil_div(members, chunks); }
  /// Whether any two members can meet, and every member comes: what exact factors need.
  [[nodiscard]] bool exact() const noexcept {
    return members <= 1 ? chunks == 1 || members == 0 : (window > 0 ? window : members / chunks) >= 2;
  }
};

struct StrataPlan {
  Index batches = 1;
  bool unbiased = true;
  std::vector<Stratum> strata{};  ///< that this rank evaluates: all that overlap its blocks, or are counted
  std::vector<std::int32_t> members{};  ///< positions
  std::vector<Stratum> others{};        ///< not evaluated: only their sizes go into |S|
  Index constant_vertices = 0;          ///< of |S|, of strata that are in neither list
  std::vector<Index> block_rows{};      ///< P: the most that strata that are not counted give to each block
  Index most_block_rows = 0;            ///< a bound for all draws, counted strata included

  /// Adds a stratum of these positions that gives `draws` of them to every sub-batch (all of them, or a
  /// window that moves on); nothing where either is 0.
  void add_list(Index id, std::span<const std::int32_t> positions, Index draws, double weight, bool clip);
};

/// `seed` keys the permutations. `blocks` is copied.
[[nodiscard]] std::unique_ptr<Sampler> make_strata_sampler(const Blocks& blocks, std::uint64_t seed,
                                                           StrataPlan&& plan);

/// The most that a set of k vertices drawn uniformly from N has in any of the blocks: the mean and twelve
/// standard deviations, at most the block's size. More has a probability below 1e-30 a block.
[[nodiscard]] Index most_in_block(const Blocks& blocks, Index drawn);

}  // namespace opx::sampling
