// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to sampling/: the sampled columns of a slab, asked for once for every entry of the sampled rows.
// One bit a column says whether it is in, and the number of those before each 64-bit word says which it is:
// an eighth of a byte a column to probe (512 KiB for 2^22 columns, which the second-level cache holds) where
// a map of tags and ids has eight bytes. Only words with sampled columns are written, and they alone are
// cleared by the next assign(): O(sampled), as with step tags.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/types.hpp"

namespace opx::sampling {

class ColumnSet {
 public:
  /// For columns [0, columns).
  explicit ColumnSet(Index columns);

  void clear() noexcept;
  /// Columns are added in rising order after clear(); the k-th has number k.
  void add(std::int32_t column);
  [[nodiscard]] std::int32_t size() const noexcept { return size_; }

  [[nodiscard]] bool contains(std::int32_t column) const noexcept {
    return (words_[word_of(column)] >> (static_cast<std::uint32_t>(column) & 63U) & 1U) != 0;
  }
  /// The number of a column that is in.
  [[nodiscard]] std::int32_t number(std::int32_t column) const noexcept {
    const std::uint64_t below =
        words_[word_of(column)] & ((std::uint64_t{1} << (static_cast<std::uint32_t>(column) & 63U)) - 1);
    return before_[word_of(column)] + std::popcount(below);
  }
  /// Writes the places of those of columns[0, n) that are in to `at`, which has room for n; returns how many.
  Index find(const std::int32_t* columns, Index n, std::int32_t* at) const noexcept;

 private:
  [[nodiscard]] static std::size_t word_of(std::int32_t column) noexcept {
    return static_cast<std::uint32_t>(column) >> 6U;
  }
  std::vector<std::uint64_t> words_;
  std::vector<std::int32_t>
      before_;  ///< columns in words before this one; meaningful where the word is not 0
  std::vector<std::uint32_t> touched_;
  std::int32_t size_ = 0;
};

}  // namespace opx::sampling
