// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Training, evaluation and prediction of one run on one rank of a job: what the command line and embedding
// programs call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "device/context.hpp"
#include "train/config.hpp"

namespace opx::train {

/// Values of a metric set on one split: "accuracy", "micro_f1", "macro_f1", "rocauc", "micro_f1_topk" (number
/// of labels given).
using Metrics = std::map<std::string, double>;

/// What one epoch gave; identical on every rank apart from what each measures for itself: all seconds,
/// `vertices_per_second` (of all vertices, over this rank's seconds), `bytes_by_axis` and `peak_memory`.
struct EpochReport {
  int epoch = 0, epochs = 0;  ///< epochs done (the first report says 1), and asked for
  double loss = 0;
  double learning_rate = 0, gradient_norm = 0;
  bool evaluated = false;
  std::string metric;  ///< the headline one
  double valid_loss = 0;
  Metrics train, valid, test;  ///< where evaluated
  double seconds = 0;          ///< of the training steps, without evaluation and checkpoints
  double evaluate_seconds = 0;
  int target_epoch =
      -1;  ///< where evaluated: epochs done when the target metric was first reached; -1: not yet
  double target_seconds = 0;  ///< training time until then
  std::int64_t steps = 1;
  bool mini = false;  ///< what follows is of mini-batches, over all ranks
  std::int64_t sub_batches = 0, vertices = 0, skipped_steps = 0;
  double vertices_per_second = 0;
  double mean_degree = 0;     ///< entries off the diagonal a row of the first sampled layer
  double isolated_share = 0;  ///< of these rows of the first sub-batch: those without neighbours in it
  std::map<std::string, double> seconds_by_phase;
  std::map<std::string, double> seconds_by_collective;  ///< exposed: until wait() returned
  std::map<std::string, std::int64_t> bytes_by_axis;
  std::int64_t peak_memory = 0;  ///< bytes of Buffers and of staging (TrainerBase::peak_memory)
};

struct Hooks {
  std::function<void(const EpochReport&)> on_epoch;  ///< called on every rank
  std::function<bool()> stop_requested;  ///< Ctrl-C: polled on every rank, agreed on; may be empty
};

struct TrainResult {
  int epochs_done = 0;
  double final_loss = 0;
  std::string metric;  ///< the headline one
  Metrics last_test, last_valid;
  int best_epoch = -1;            ///< epochs done by then; -1: never evaluated
  Metrics best_valid, best_test;  ///< at the best validation epoch
  std::filesystem::path run_dir, last_checkpoint;
  double seconds = 0;  ///< since the start or the resume, everything counted
  double median_epoch_seconds = 0;
  double train_seconds = 0;     ///< of the steps of all epochs, also those before a resume
  double evaluate_seconds = 0;  ///< of all evaluations, never part of train_seconds
  double target_metric = 0;     ///< what was asked for; 0: nothing
  int target_epoch = -1;        ///< epochs done when it was reached; -1: never, or none set
  double target_seconds = 0;    ///< train_seconds by then
  std::int64_t parameters = 0;
  std::int64_t peak_memory = 0;      ///< this rank's Buffers, bytes
  std::int64_t modelled_memory = 0;  ///< what the memory model of the mode said before the run, bytes
  std::string mode;                  ///< full | mini
};

/// Collective over `world`. The grid is resolve_grid (train/grid_choice.hpp) of config.grid. Rank 0 writes
/// the run directory; a fresh run into one that holds checkpoints is refused (InvalidArgument), so that two
/// runs never mix. A loss that is not finite ends the run (Diverged) with the checkpoints as they
/// were. Throws base::Error kinds; after Ctrl-C writes a checkpoint and throws Interrupted.
TrainResult train(device::Context& context, comm::Communicator& world, const RunConfig& config,
                  const Hooks& hooks = {});

struct EvalResult {
  Metrics train, valid, test;
  double train_loss = 0, valid_loss = 0, test_loss = 0;
};
/// One full-graph forward pass with the parameters of a checkpoint (its own configuration; `config` gives
/// dataset, grid, threads). Collective.
EvalResult evaluate(device::Context& context, comm::Communicator& world, const RunConfig& config,
                    const std::filesystem::path& checkpoint);

struct PredictOptions {
  std::filesystem::path output;  ///< .h5, .npy or .csv
  bool embeddings = false;       ///< the last hidden layer instead of the classes
  bool probabilities = false;
};
/// Writes one row per vertex in order of original ids (with the input's names where it had them). Collective.
void predict(device::Context& context, comm::Communicator& world, const RunConfig& config,
             const std::filesystem::path& checkpoint, const PredictOptions& options);

}  // namespace opx::train
