// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/column_set.hpp"

namespace opx::sampling {

namespace {
constexpr Index kLine = 16, kAhead = 12 * kLine;  // in columns
}

ColumnSet::ColumnSet(Index columns)
    : words_(static_cast<std::size_t>(ceil_div(columns, 64))), before_(words_.size()) {}

void ColumnSet::clear() noexcept {
  for (const std::uint32_t word : touched_) words_[word] = 0;
  touched_.clear();
  size_ = 0;
}

void ColumnSet::add(std::int32_t column) {
  const std::size_t word = word_of(column);
  if (words_[word] == 0) {
    touched_.push_back(static_cast<std::uint32_t>(word));
    before_[word] = size_;
  }
  words_[word] |= std::uint64_t{1} << (static_cast<std::uint32_t>(column) & 63U);
  ++size_;
}

Index ColumnSet::find(const std::int32_t* columns, Index n, std::int32_t* at) const noexcept {
  // No branch on the outcome: at a ratio of 0.05 to 0.5 it could not be predicted.
  const std::uint64_t* words = words_.data();
  Index found = 0;
  const auto probe = [&](Index i) {
    const auto column = static_cast<std::uint32_t>(columns[i]);
    at[found] = static_cast<std::int32_t>(i);
    found += static_cast<Index>(words[column >> 6U] >> (column & 63U) & 1U);
  };
  // Hardware stops to prefetch at the end of a page, that is every 1024 columns of a long row.
  Index i = 0;
  for (; i + kAhead < n; i += kLine) {
    __builtin_prefetch(columns + i + kAhead);
    for (Index j = i; j < i + kLine; ++j) probe(j);
  }
  for (; i < n; ++i) probe(i);
  return found;
}

}  // namespace opx::sampling
