// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/loaders/vertex_ids.hpp"

#include <algorithm>
#include <bit>

namespace opx::graph::loaders {
namespace {
constexpr Index kWordsOfGroup = 8;
std::size_t at(Index i) noexcept { return static_cast<std::size_t>(i); }
}  // namespace

void NumberIds::add(std::span<const Index> ids) {
  if (ids.empty()) return;
  largest_ = std::max(largest_, *std::ranges::max_element(ids));
  if (!sparse_ && largest_ >= most_bits_) make_sparse();
  if (sparse_) {
    list_.insert(list_.end(), ids.begin(), ids.end());
    if (list_.size() > 2 * sorted_ + (std::size_t{1} << 20)) compact();
    return;
  }
  const std::size_t words = at(largest_ / 64 + 1);
  if (bits_.size() < words)
    bits_.resize(std::max(words, std::min(bits_.size() + bits_.size() / 2, at(most_bits_ / 64 + 1))));
  for (const Index id : ids) bits_[at(id / 64)] |= std::uint64_t{1} << (id % 64);
}

void NumberIds::make_sparse() {
  sparse_ = true;
  for (std::size_t w = 0; w < bits_.size(); ++w)
    for (std::uint64_t word = bits_[w]; word != 0; word &= word - 1)
      list_.push_back(static_cast<Index>(w) * 64 + std::countr_zero(word));
  sorted_ = list_.size();
  bits_ = {};
}

void NumberIds::compact() {
  std::ranges::sort(list_);
  list_.erase(std::unique(list_.begin(), list_.end()), list_.end());
  sorted_ = list_.size();
}

void NumberIds::finish() {
  if (sparse_) {
    compact();
    size_ = static_cast<Index>(list_.size());
    return;
  }
  bits_.resize(at(ceil_div(static_cast<Index>(bits_.size()), kWordsOfGroup) * kWordsOfGroup));
  for (std::size_t w = 0; w < bits_.size(); ++w) {
    if (w % kWordsOfGroup == 0) before_.push_back(size_);
    size_ += std::popcount(bits_[w]);
  }
}

Index NumberIds::rank(Index id) const {
  if (sparse_) return std::ranges::lower_bound(list_, id) - list_.begin();
  const Index word = id / 64;
  Index rank = before_[at(word / kWordsOfGroup)];
  for (Index w = word / kWordsOfGroup * kWordsOfGroup; w < word; ++w) rank += std::popcount(bits_[at(w)]);
  return rank + std::popcount(bits_[at(word)] & ((std::uint64_t{1} << (id % 64)) - 1));
}

std::vector<std::string> NumberIds::names() const {
  std::vector<std::string> names;
  names.reserve(at(size_));
  for (const Index id : list_) names.push_back(std::to_string(id));
  for (std::size_t w = 0; w < bits_.size(); ++w)
    for (std::uint64_t word = bits_[w]; word != 0; word &= word - 1)
      names.push_back(std::to_string(static_cast<Index>(w) * 64 + std::countr_zero(word)));
  return names;
}

Index WordIds::add(std::string_view word) {
  const auto found = places_.find(word);
  if (found != places_.end()) return found->second;
  const Index place = size();
  places_.emplace(word, place);
  return place;
}

std::vector<std::string> WordIds::names() const {
  std::vector<std::string> names(places_.size());
  for (const auto& [word, place] : places_) names[at(place)] = word;
  return names;
}

}  // namespace opx::graph::loaders
