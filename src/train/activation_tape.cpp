// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/activation_tape.hpp"

#include <algorithm>

#include "tensor/matrix.hpp"

namespace opx::train {

Index ActivationTape::training() {
  training_ = true, drops_ = spec_.input_dropout > 0;
  if (owns_input(0)) take(in(0));
  for (Index l = 0; l < spec_.layers(); ++l) forward(l);
  for (Index l = spec_.layers() - 1; l >= 0; --l) backward(l);
  return held_;
}

Index ActivationTape::evaluation() {
  training_ = drops_ = false;
  for (Index l = 0; l < spec_.layers(); ++l) {
    forward(l);
    while (!taken_.empty()) give(taken_.front().first);
    take(out(l));
  }
  return held_;
}

// As model::Workspace: the smallest free buffer that fits and is at most twice as large, or a new one.
void ActivationTape::take(Index columns) {
  if (columns == 0) return;
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it)
    if (*it >= columns && *it / 2 <= columns && (best == free_.end() || *it < *best)) best = it;
  Index size = columns;
  if (best != free_.end()) {
    size = *best;
    free_.erase(best);
  } else {
    held_ += columns;
  }
  taken_.emplace_back(columns, size);
}

void ActivationTape::give(Index columns) {
  const auto it = std::ranges::find(taken_, columns, &std::pair<Index, Index>::first);
  if (it == taken_.end()) return;  // nothing of width 0 is taken
  free_.push_back(it->second);
  taken_.erase(it);
}

/// Whether x of the layer is a matrix of the step (else it is the feature matrix itself).
bool ActivationTape::owns_input(Index l) const { return l > 0 || (!spec_.cached() && drops_); }

Index ActivationTape::in(Index l) const {
  const Index columns = spec_.widths[static_cast<std::size_t>(l)];
  return aligned_rows_ ? tensor::line_stride<float>(columns) : columns;
}

bool ActivationTape::computes_h(Index l) const {
  return spec_.aggregates_first(l) && !(l == 0 && spec_.cached());
}

bool ActivationTape::has_norm(Index l) const {
  return l + 1 < spec_.layers() && spec_.norm != tensor::Norm::kNone;
}

void ActivationTape::forward(Index l) {
  const bool first = spec_.aggregates_first(l), gin = spec_.kind == model::Kind::kGin;
  if (!first) take(out(l));  // z
  if (gin && first && l == 0 && spec_.cached() && drops_) take(in(l));
  if (first && (gin || computes_h(l))) take(in(l));  // h or s
  if (spec_.kind == model::Kind::kGcn && first) give(owned(l));
  if (gin) take(out(l));  // u
  if (gin && first && !training_) give(in(l));
  take(out(l));  // q
  if (!first && !gin) give(out(l));
  if (has_norm(l)) take(out(l));
}

void ActivationTape::backward(Index l) {
  const bool first = spec_.aggregates_first(l), gin = spec_.kind == model::Kind::kGin;
  const bool need = l > 0 || spec_.learned_features;
  if (has_norm(l)) give(out(l));
  if (gin) give(out(l)), take(out(l));  // u makes room for du; dq goes with it
  if (!first) {
    take(out(l));
    give(owned(l));
    if (need) take(in(l));
    for (int i = 0; i < (gin ? 3 : 2); ++i) give(out(l));
    return;
  }
  if (spec_.kind != model::Kind::kGcn) give(owned(l));
  if (computes_h(l) || gin) give(in(l));
  if (need) take(in(l)), take(in(l)), give(in(l));
  for (int i = 0; i < (gin ? 2 : 1); ++i) give(out(l));
}

}  // namespace opx::train
