// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The distinct vertex ids of an edge list, and their places 0..N-1: numbers in rising order, so that the
// locality of the input stays; names in order of first appearance.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/types.hpp"

namespace opx::graph::loaders {

/// Numbers. A bitmap with ranks (1.5 bits for each number up to the largest) while that fits `memory`, else a
/// sorted list.
class NumberIds {
 public:
  explicit NumberIds(std::int64_t memory) : most_bits_(memory / 4 * 8) {}
  void add(std::span<const Index> ids);
  /// No more ids come.
  void finish();
  [[nodiscard]] Index size() const noexcept { return size_; }
  /// True where the ids are 0..size()-1 already.
  [[nodiscard]] bool identity() const noexcept { return size_ == largest_ + 1; }
  /// Place of an id that was added.
  [[nodiscard]] Index rank(Index id) const;
  /// The ids in order of their places.
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  void make_sparse();
  void compact();

  Index most_bits_;
  Index largest_ = -1, size_ = 0;
  bool sparse_ = false;
  std::vector<std::uint64_t> bits_;
  std::vector<Index> before_;  ///< ids in the words before each group of 8 words
  std::vector<Index> list_;    ///< sparse: sorted and distinct up to sorted_, then as they came
  std::size_t sorted_ = 0;
};

/// Any words.
class WordIds {
 public:
  /// The place of a word, a new one where it is new.
  Index add(std::string_view word);
  /// Distinct words; names() gives them in order of their places.
  [[nodiscard]] Index size() const noexcept { return static_cast<Index>(places_.size()); }
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  std::unordered_map<std::string, Index, Hash, std::equal_to<>> places_;
};

}  // namespace opx::graph::loaders
