// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "base/timer.hpp"

#include "base/trace.hpp"

namespace opx::base {

std::string_view name(Phase phase) noexcept {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Phase::kCount)> kNames = {
      "spmm", "gemm",   "elementwise", "loss",       "optimizer", "comm",
      "pack", "sample", "evaluate",    "checkpoint", "other"};
  return kNames.at(static_cast<std::size_t>(phase));
}

void PhaseClock::add(Phase phase, std::string_view label, double seconds) {
  add(phase, seconds);
  if (label.empty()) return;
  for (Labelled& entry : by_label_)
    if (entry.phase == phase && entry.label == label) {
      entry.seconds += seconds;
      return;
    }
  by_label_.push_back({phase, label, seconds});
}

PhaseScope::~PhaseScope() {
  const double duration = now_seconds() - start_;
  if (clock_.ranges() != nullptr) clock_.ranges()->end();
  clock_.add(phase_, label_, duration);
  if (clock_.trace() != nullptr)
    clock_.trace()->add(label_.empty() ? name(phase_) : label_, name(phase_), start_, duration);
}

}  // namespace opx::base
