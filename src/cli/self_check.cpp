// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/self_check.hpp"

#include <algorithm>
#include <cmath>

#include "base/timer.hpp"
#include "cli/scratch_folder.hpp"
#include "comm/threads/job.hpp"
#include "device/context.hpp"
#include "graph/generate.hpp"
#include "graph/prepare.hpp"
#include "train/session.hpp"

namespace opx::cli {

namespace {

constexpr Index kVertices = 3000, kClasses = 5;

void make_dataset(const std::filesystem::path& file) {
  device::Context context;
  graph::PartitionOptions options;
  options.vertices = kVertices;
  options.classes = kClasses;
  options.feature_dim = 24;
  (void)graph::prepare(context, graph::generate_partition(context, options), file, {});
}

SelfCheck::Run train_on(const layout::Grid& grid, const std::filesystem::path& folder) {
  train::RunConfig config;
  config.dataset = (folder / "check.opx").string();
  config.grid = layout::to_string(grid);
  config.ranks = grid.ranks();
  config.run_dir = (folder / config.grid).string();
  config.epochs = 30;
  config.eval_every = 0;
  config.model.hidden = {32};
  SelfCheck::Run run{config.grid, 0, 0};
  comm::run_threads(config.ranks, {}, [&](comm::Communicator& world) {
    device::ContextOptions options;
    options.threads = std::max(1, device::hardware_threads() / world.size());
    device::Context context(std::move(options));
    const train::TrainResult result = train::train(context, world, config);
    if (world.rank() == 0) run.loss = result.final_loss, run.test_accuracy = result.last_test.at("accuracy");
  });
  return run;
}

}  // namespace

SelfCheck run_self_check(const Environment& environment) {
  const double start = base::now_seconds();
  const ScratchFolder scratch;
  make_dataset(scratch.path() / "check.opx");
  SelfCheck check;
  for (const layout::Grid grid :
       {layout::Grid{1, 1, 1, 1}, {2, 1, 1, 1}, {1, 2, 1, 1}, {1, 1, 2, 1}, {2, 1, 2, 1}}) {
    environment.note("checking grid " + layout::to_string(grid));
    check.runs.push_back(train_on(grid, scratch.path()));
    const double single = check.runs.front().loss;
    check.largest_difference =
        std::max(check.largest_difference, std::abs(check.runs.back().loss - single) / single);
  }
  // Guessing gives 1 / kClasses.
  check.good = check.largest_difference < 1e-4 && check.runs.front().test_accuracy > 2.0 / kClasses;
  check.seconds = base::now_seconds() - start;
  return check;
}

}  // namespace opx::cli
