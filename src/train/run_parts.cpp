// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/run_parts.hpp"

#include "comm/device_communicator.hpp"
#include "train/checkpoint.hpp"
#include "train/estimator_choice.hpp"
#include "train/grid_choice.hpp"
#include "train/mini_trainer.hpp"
#include "train/options.hpp"
#include "train/trainer.hpp"

namespace opx::train {

RunParts open_run(device::Context& context, comm::Communicator& world, RunConfig& config, bool for_training) {
  RunParts parts;
  layout::Grid grid;
  comm::agree(world, [&] {
    resolve(config);
    validate(config);
    parts.store = graph::Store::open(config.dataset);
    const graph::StoreInfo& info = parts.store->info();
    resolve_estimator(config, info);
    const Index features = config.model.features == "learned" ? config.model.feature_dim : info.feature_dim;
    grid = resolve_grid(config, world.size(),
                        {.vertices = info.vertices, .features = features, .classes = info.classes});
  });
  config.grid = layout::to_string(grid);
  if (context.on_gpu()) {
    parts.staged = comm::device_communicator(context, world, config.timeout);
    if (world.rank() == 0 && world.size() > 1)
      context.logger().info("collectives on memory of GPUs by {}{}", parts.staged->backend(),
                            parts.staged->backend() == world.backend() ? ", through the host" : "");
  }
  parts.grid = std::make_unique<parallel::ProcessGrid>(parts.staged ? *parts.staged : world, grid);
  if (config.mode == "mini" && for_training)
    parts.trainer = std::make_unique<MiniTrainer>(context, *parts.grid, *parts.store, config);
  else
    parts.trainer = std::make_unique<Trainer>(context, *parts.grid, *parts.store, config, for_training);
  return parts;
}

RunParts open_checkpoint(device::Context& context, comm::Communicator& world, const RunConfig& config,
                         const std::filesystem::path& checkpoint) {
  const CheckpointInfo info = open_checkpoint_info(world, checkpoint);
  RunConfig own = info.config;
  own.mode = "full";  // the parameters do not say how they were trained
  own.mini = {};
  own.grid = config.grid;
  own.device = config.device;
  own.features_on = config.features_on;
  own.tf32 = config.tf32;
  own.scheme = "scatter";  // parameters are the same in both schemes
  own.wire = config.wire;
  own.panels = config.panels;
  if (!config.dataset.empty()) own.dataset = config.dataset;
  if (config.metric != "auto") own.metric = config.metric;
  RunParts parts = open_run(context, world, own, false);
  load_checkpoint(*parts.trainer, info.folder, false);
  return parts;
}

}  // namespace opx::train
