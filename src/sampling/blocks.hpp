// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The grid's blocks as a sampler sees them, and the list of sampled vertices that it puts in order. Private
// to sampling/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "sampling/sampler.hpp"

namespace opx::sampling {

/// The P blocks of a grid over N vertices, and which of them a rank looks at.
class Blocks {
 public:
  /// Throws InvalidArgument unless `looked` rises within [0, P).
  Blocks(Index vertices, int count, std::span<const int> looked);
  [[nodiscard]] int count() const noexcept { return count_; }
  [[nodiscard]] Index vertices() const noexcept { return vertices_; }
  [[nodiscard]] std::span<const int> looked_at() const noexcept { return looked_; }
  [[nodiscard]] bool looks_at(int block) const noexcept {
    return flag_[static_cast<std::size_t>(block)] != 0;
  }
  [[nodiscard]] Range range(int block) const noexcept { return even_range(vertices_, count_, block); }
  /// The block of a position: the inverse of range().
  [[nodiscard]] int of(Index position) const noexcept {
    return static_cast<int>(((position + 1) * count_ - 1) / vertices_);
  }
  /// Blocks [first, last] that positions of a range that is not empty lie in.
  [[nodiscard]] bool any_looked_at(Range positions) const noexcept;
  [[nodiscard]] bool all_looked_at(Range positions) const noexcept;

 private:
  Index vertices_;
  int count_;
  std::vector<int> looked_;
  std::vector<std::uint8_t> flag_;
};

/// Sampled vertices in any order, each with a tag; sorted by position in O(count) and handed out by block.
class Draw {
 public:
  /// Memory for `most` vertices of positions below `vertices`.
  Draw(Index vertices, Index most);
  void clear() noexcept { keys_.clear(); }
  void add(Index position, std::uint32_t tag) {
    keys_.push_back(static_cast<std::uint64_t>(position) << 32 | tag);
  }
  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(keys_.size()); }
  void sort();
  /// Sizes and fills positions and offsets of `out` from the sorted list (all of blocks looked at), and calls
  /// set(i, tag) for its i-th vertex.
  template <class Set>
  void hand_out(const Blocks& blocks, Selection& out, Set&& set) const;

 private:
  void fill_offsets(const Blocks& blocks, Selection& out) const;
  void reserve(Selection& out) const;  // for any draw
  std::vector<std::uint64_t> keys_, scratch_;
  int bits_;
};

template <class Set>
void Draw::hand_out(const Blocks& blocks, Selection& out, Set&& set) const {
  const std::size_t n = keys_.size();
  reserve(out);
  out.position.resize(n), out.stratum.resize(n), out.same.resize(n), out.other.resize(n);
  out.weight.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    out.position[i] = static_cast<std::int32_t>(keys_[i] >> 32);
    set(i, static_cast<std::uint32_t>(keys_[i]));
  }
  fill_offsets(blocks, out);
}

}  // namespace opx::sampling
