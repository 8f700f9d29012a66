// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// How far a run has come: what a checkpoint remembers besides tensors, and what decides early stopping.
#pragma once

#include <string>
#include <string_view>

#include "train/session.hpp"

namespace opx::train {

/// What has been counted of the sub-batches of an epoch, over all ranks.
struct BatchCounts {
  Index sub_batches = 0, vertices = 0;
  Index sampled_degree = 0;  ///< entries off the diagonal of the first sampled layer's A
  Index measured_rows = 0,
        isolated_rows = 0;  ///< of the first sub-batch: vertices, and those without neighbours
  Index skipped_steps = 0;  ///< without a labelled training vertex: nothing was updated
  Index degree_rows =
      0;  ///< rows of that A: of the last layer those of the loss, unless MiniConfig::all_rows
};

/// An epoch under way: sums over its steps so far.
struct EpochSums {
  Index steps = 0, updates = 0;  ///< done, and of these with a labelled row
  double loss = 0, weight = 0, norm = 0, seconds = 0;
  BatchCounts counts;
};

struct Progress {
  int epochs_done = 0;
  EpochSums epoch;              ///< of the next epoch, where it has begun
  double train_seconds = 0;     ///< of all epochs done
  double evaluate_seconds = 0;  ///< of all evaluations
  int target_epoch = -1;        ///< epochs done when the target metric was reached; -1: not yet
  double target_seconds = 0;
  double loss = 0;      ///< of the last epoch
  int best_epoch = -1;  ///< epochs done when the validation metric was best; -1: no evaluation yet
  double best_value = 0;
  int evaluations_since_best = 0;
  Metrics best_valid, best_test, last_valid, last_test;

  /// Takes in an evaluation after `epochs_done` epochs; better means strictly greater, NaN is never better.
  void record(const std::string& metric, const Metrics& valid, const Metrics& test);
};

/// JSON text; numbers survive the way there and back bit for bit (NaN as null).
[[nodiscard]] std::string to_json(const Progress& progress);
/// Throws FormatError naming `file`.
[[nodiscard]] Progress progress_from_json(std::string_view text, const std::string& file);

}  // namespace opx::train
