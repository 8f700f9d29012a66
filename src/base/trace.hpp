// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Chrome trace events ("X" phases) of one rank, kept in memory and merged into trace.json at the end of a
// run: one process (pid) per rank, in it a lane (tid) for each of its threads that hands in events. Open the
// file in chrome://tracing or Perfetto. Not thread-safe: the rank's own thread adds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace opx::base {

/// Lanes of a rank.
enum class TraceLane : int { kSteps = 0, kSampler = 1 };

class TraceWriter {
 public:
  /// `epoch_seconds`: the now_seconds() that becomes time zero; the same on all ranks of a process.
  TraceWriter(int rank, double epoch_seconds) : rank_(rank), epoch_(epoch_seconds) {}
  /// `name` and `category` must outlive the writer (string literals).
  void add(std::string_view name, std::string_view category, double start_seconds, double duration_seconds,
           TraceLane lane = TraceLane::kSteps) {
    events_.push_back({name, category, start_seconds - epoch_, duration_seconds, lane});
  }
  /// This rank's events as comma-separated JSON objects, without the surrounding array.
  [[nodiscard]] std::string json_fragment() const;

 private:
  struct Event {
    std::string_view name, category;
    double start, duration;
    TraceLane lane;
  };
  int rank_;
  double epoch_;
  std::vector<Event> events_;
};

}  // namespace opx::base
