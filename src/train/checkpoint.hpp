// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Checkpoints: a folder <run>/checkpoints/epoch-000123 with model.h5 and a file DONE that is made last and
// holds the checksum of model.h5, so that what has it is whole and damage is noticed (checkpoint_files.hpp).
// model.h5 (docs/formats-run.md) holds parameters and optimizer state in the unsharded view, so it loads on
// any grid; h5py and h5dump read it.
//
//   attributes   format "orthoplex-checkpoint", version, epoch, step, seed, dataset, dataset_checksum, config
//   (TOML),
//                progress (JSON)
//   parameters/NAME        shape as in the model; running statistics of batch norm too; "features" where they
//   are learned,
//                          in order of position, with the dataset original_ids beside it
//   optimizer/STATE/NAME   exp_avg, exp_avg_sq or momentum, shape as the parameter
#pragma once

#include <filesystem>
#include <string>

#include "train/config.hpp"
#include "train/progress.hpp"
#include "train/trainer_base.hpp"

namespace opx::train {

/// What a checkpoint says about itself.
struct CheckpointInfo {
  std::filesystem::path folder;
  int epoch = 0;          ///< epochs done
  std::int64_t step = 0;  ///< optimizer steps
  std::string dataset, dataset_checksum;
  RunConfig config;  ///< as resolved when it was written
  Progress progress;
};

/// The newest whole checkpoint of a run folder, or `path` itself where it is one (its folder or model.h5).
/// Throws InputError that says what was looked for.
[[nodiscard]] std::filesystem::path find_checkpoint(const std::filesystem::path& path);
/// True where the run folder holds a whole checkpoint.
[[nodiscard]] bool has_checkpoints(const std::filesystem::path& run_dir);
/// Reads the attributes. Throws InputError, FormatError (no checkpoint, or of a version this program does not
/// know). Checks no checksum unless the reading fails.
[[nodiscard]] CheckpointInfo read_checkpoint_info(const std::filesystem::path& checkpoint);
/// The same after rank 0 has checked every byte: what load_checkpoint is to be given. Throws FormatError that
/// names the damaged file and dataset and the newest intact checkpoint before it. Collective; errors are
/// agreed on.
[[nodiscard]] CheckpointInfo open_checkpoint_info(comm::Communicator& world,
                                                  const std::filesystem::path& checkpoint);

/// "epoch-000012" after 12 epochs, "epoch-000012-step-000034" where 34 steps of the next one are done.
[[nodiscard]] std::string checkpoint_name(const Progress& progress);

/// Writes <run_dir>/checkpoints/NAME: temporary name, sync, rename, DONE; then removes all but this
/// one and the keep - 1 before it (later ones are of a run that was taken up again from an earlier one).
/// Collective over the tensor ranks; rank 0 writes, learned features come to it in pieces; a
/// failure ends all ranks with ResourceError and leaves earlier checkpoints as they were. Returns the folder.
std::filesystem::path write_checkpoint(TrainerBase& trainer, const RunConfig& config,
                                       const Progress& progress, const std::filesystem::path& run_dir,
                                       int keep);

/// Loads parameters, and optimizer state where `resume`, into a trainer of any grid, from a checkpoint that
/// open_checkpoint_info found intact. Throws FormatError where
/// the dataset is another one (with both checksums) or a tensor is missing or has another shape. Collective
/// (errors are agreed on).
void load_checkpoint(TrainerBase& trainer, const std::filesystem::path& checkpoint, bool resume);

}  // namespace opx::train
