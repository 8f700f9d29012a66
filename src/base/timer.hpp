// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Wall clock and seconds by phase.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <vector>

namespace opx::base {

/// Monotonic seconds since an arbitrary start.
inline double now_seconds() noexcept {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// What the time of a step is spent on; the keys of `seconds` in metrics.jsonl and the lanes of trace.json.
enum class Phase : std::size_t {
  kSpmm,
  kGemm,
  kElementwise,
  kLoss,
  kOptimizer,
  kComm,
  kPack,
  kSample,
  kEvaluate,
  kCheckpoint,
  kOther,
  kCount
};
[[nodiscard]] std::string_view name(Phase phase) noexcept;

class TraceWriter;

/// Hears of every scope as it begins and ends, on the scope's own thread: the ranges of a profiler. Labels
/// end in a zero byte.
struct RangeListener {
  void (*begin)(std::string_view label) noexcept;
  void (*end)() noexcept;
};

/// Seconds and calls by phase of one rank, and by label within a phase; not shared between ranks.
class PhaseClock {
 public:
  void add(Phase phase, double seconds) noexcept {
    seconds_[static_cast<std::size_t>(phase)] += seconds;
    ++calls_[static_cast<std::size_t>(phase)];
  }
  /// The same, kept by `label` too. Labels are literals: few, and they outlive the clock.
  void add(Phase phase, std::string_view label, double seconds);
  struct Labelled {
    Phase phase;
    std::string_view label;
    double seconds;
  };
  [[nodiscard]] const std::vector<Labelled>& by_label() const noexcept { return by_label_; }
  [[nodiscard]] double seconds(Phase phase) const noexcept {
    return seconds_[static_cast<std::size_t>(phase)];
  }
  [[nodiscard]] long calls(Phase phase) const noexcept { return calls_[static_cast<std::size_t>(phase)]; }
  void reset() noexcept {
    seconds_ = {};
    calls_ = {};
    for (Labelled& entry : by_label_) entry.seconds = 0;
  }
  /// Also records every scope as a trace event from now on; null stops. Not owned.
  void set_trace(TraceWriter* trace) noexcept { trace_ = trace; }
  [[nodiscard]] TraceWriter* trace() const noexcept { return trace_; }

  /// Scopes that begin from now on tell it; null stops. Not owned. Set where no scope is open.
  void set_ranges(const RangeListener* ranges) noexcept { ranges_ = ranges; }
  [[nodiscard]] const RangeListener* ranges() const noexcept { return ranges_; }

 private:
  std::array<double, static_cast<std::size_t>(Phase::kCount)> seconds_{};
  std::array<long, static_cast<std::size_t>(Phase::kCount)> calls_{};
  std::vector<Labelled> by_label_;
  TraceWriter* trace_ = nullptr;
  const RangeListener* ranges_ = nullptr;
};

/// Adds the time from construction to destruction to a phase. `label` (a literal) names the trace event.
class PhaseScope {
 public:
  PhaseScope(PhaseClock& clock, Phase phase, std::string_view label = {}) noexcept
      : clock_(clock), phase_(phase), label_(label), start_(now_seconds()) {
    if (clock_.ranges() != nullptr) clock_.ranges()->begin(label_.empty() ? name(phase_) : label_);
  }
  PhaseScope(const PhaseScope&) = delete;
  PhaseScope& operator=(const PhaseScope&) = delete;
  ~PhaseScope();

 private:
  PhaseClock& clock_;
  Phase phase_;
  std::string_view label_;
  double start_;
};

}  // namespace opx::base
