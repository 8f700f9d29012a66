// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What a run holds open on one rank: the store, the grid's communicators, the trainer.
#pragma once

#include <filesystem>
#include <memory>

#include "graph/store.hpp"
#include "parallel/process_grid.hpp"
#include "train/config.hpp"
#include "train/trainer_base.hpp"

namespace opx::train {

/// Destroyed in reverse order: the trainer refers to the others.
struct RunParts {
  std::shared_ptr<graph::Store> store;
  std::unique_ptr<comm::Communicator> staged;  ///< on a GPU: the world, for GPU memory too
  std::unique_ptr<parallel::ProcessGrid> grid;
  std::unique_ptr<TrainerBase> trainer;
};

/// Opens config.dataset, resolves the grid and builds the trainer. `config` is completed (options::resolve).
/// Collective.
[[nodiscard]] RunParts open_run(device::Context& context, comm::Communicator& world, RunConfig& config,
                                bool for_training);

/// The same from a checkpoint, with its parameters loaded, for evaluation: model and features as the
/// checkpoint's own configuration has them; dataset (where not empty), grid, wire and panels from `config`.
/// Collective.
[[nodiscard]] RunParts open_checkpoint(device::Context& context, comm::Communicator& world,
                                       const RunConfig& config, const std::filesystem::path& checkpoint);

}  // namespace opx::train
