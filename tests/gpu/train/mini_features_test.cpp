// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Mini-batches on a GPU with features in host memory: rows of a sub-batch are gathered by the builder's
// thread and sent with it. Every step has the bits of a run with features on the GPU.
#include <memory>
#include <vector>

#include <gmock/gmock.h>

#include "comm/communicator.hpp"
#include "comm/staged.hpp"
#include "comm/threads/job.hpp"
#include "support/gpu.hpp"
#include "support/train_case.hpp"
#include "train/mini_trainer.hpp"

namespace opx::train {
namespace {

constexpr Index kVertices = 72;

test::MemoryStore store_of(bool symmetric) {
  test::MemoryStore store = test::training_store(kVertices, symmetric);
  store.set_virtual_blocks(4);
  return store;
}

RunConfig config_of(const std::string& kind, const std::string& aggregation, const std::string& estimator) {
  RunConfig config = test::training_config(kind);
  config.mode = "mini";
  config.model.first_aggregation = aggregation;
  config.mini.batch_ratio = 0.25;
  config.mini.estimator = estimator;
  config.epochs = 1;
  return config;
}

struct Curve {
  std::vector<double> losses, norms, evaluation;
  std::vector<float> parameters;
  std::size_t held = 0;  ///< bytes of the GPU that the trainer keeps
};

Curve run(device::Context& context, comm::Communicator& world, const layout::Grid& grid,
          const graph::Store& store, const RunConfig& config) {
  const std::unique_ptr<comm::Communicator> staged = comm::staged_communicator(context, world);
  parallel::ProcessGrid process_grid(*staged, grid);
  MiniTrainer trainer(context, process_grid, store, config);
  Curve curve;
  for (int epoch = 0; epoch < config.epochs; ++epoch)
    for (Index s = 0; s < trainer.steps_per_epoch(); ++s) {
      const TrainerBase::Step step = trainer.step({epoch, s}, false);
      curve.losses.push_back(step.loss);
      curve.norms.push_back(step.gradient_norm);
    }
  curve.parameters =
      device::host_copy(context, std::span<const float>(trainer.network().parameters().values()));
  curve.held = context.gpu().memory().now();
  for (const double loss : trainer.evaluate().loss) curve.evaluation.push_back(loss);
  return curve;
}

/// Of rank 0, each rank with a Context of its own.
Curve run_on(const layout::Grid& grid, const graph::Store& store, RunConfig config, const char* place) {
  config.features_on = place;
  Curve curve;
  comm::run_threads(grid.ranks(), {}, [&](comm::Communicator& world) {
    device::Context own({.threads = 1, .gpu = 0});
    Curve mine = run(own, world, grid, store, config);
    if (world.rank() == 0) curve = std::move(mine);
  });
  return curve;
}

void expect_same_run(const layout::Grid& grid, const graph::Store& store, const RunConfig& config) {
  const std::string what = config.model.kind + " " + config.model.first_aggregation + " " +
                           config.mini.estimator + " " + layout::to_string(grid);
  const Curve want = run_on(grid, store, config, "device"), got = run_on(grid, store, config, "host");
  EXPECT_EQ(got.losses, want.losses) << what;
  EXPECT_EQ(got.norms, want.norms) << what;
  EXPECT_EQ(got.parameters, want.parameters) << what;
  // Over the full graph the input comes from the host, and may be scaled where A's entries were (train_test).
  EXPECT_THAT(got.evaluation, testing::Pointwise(testing::DoubleNear(1e-6), want.evaluation)) << what;
}

class GpuMiniFeatures : public test::GpuTest {};

TEST_F(GpuMiniFeatures, OneRankHasTheBitsOfFeaturesOnTheGpu) {
  const test::MemoryStore symmetric = store_of(true), directed = store_of(false);
  for (const char* kind : {"gcn", "sage", "gin"})
    for (const char* aggregation : {"cached", "recomputed"})
      for (const char* estimator : {"unbiased", "self-normalised"}) {
        RunConfig config = config_of(kind, aggregation, estimator);
        config.model.residual = estimator == std::string("unbiased");
        config.model.hidden = {12};  // as wide as the features: the first residual reads them
        expect_same_run({}, config.model.residual ? directed : symmetric, config);
      }
}

TEST_F(GpuMiniFeatures, GridsAndReplicas) {
  const test::MemoryStore store = store_of(false);
  for (const layout::Grid& grid : {layout::Grid{.gx = 2}, layout::Grid{.gx = 1, .gy = 2, .gz = 2},
                                   layout::Grid{.gd = 2}, layout::Grid{.gx = 1, .gz = 2, .gd = 2}})
    expect_same_run(grid, store, config_of("sage", "cached", "self-normalised"));
  expect_same_run({.gx = 2}, store, config_of("gin", "recomputed", "unbiased"));
}

TEST_F(GpuMiniFeatures, WhateverTheDepthTheThreadsAndTheSampler) {
  const test::MemoryStore store = store_of(true);
  RunConfig config = config_of("sage", "cached", "unbiased");
  config.mini.sampler = "uniform";  // batches of different sizes
  config.mini.sampled_eval = true;
  const Curve want = run_on({}, store, config, "device");
  for (const int depth : {0, 1, 3}) {
    config.mini.pipeline_depth = depth;
    config.mini.sampler_threads = depth == 3 ? 2 : 1;
    const Curve got = run_on({}, store, config, "host");
    EXPECT_EQ(got.losses, want.losses) << depth;
    EXPECT_EQ(got.parameters, want.parameters) << depth;
    EXPECT_EQ(got.evaluation, want.evaluation) << depth;
  }
}

// Results are asked for a step late, as a session does; the pipeline takes a turn more to have its memory.
TEST_F(GpuMiniFeatures, NothingWaitsForTheHostInAStep) {
  const test::MemoryStore store = store_of(true);
  const auto self = comm::self_communicator();
  const auto staged = comm::staged_communicator(context(), *self);
  parallel::ProcessGrid grid(*staged, layout::Grid{});
  for (const char* aggregation : {"cached", "recomputed"}) {
    RunConfig config = config_of("sage", aggregation, "unbiased");
    config.epochs = 100;
    config.features_on = "host";
    MiniTrainer trainer(context(), grid, store, config);
    const Index an_epoch = trainer.steps_per_epoch();
    for (Index s = 0; s < 8; ++s) {
      if (s == 2) gpu().reset_counters();
      trainer.begin_step({.epoch = static_cast<int>(s / an_epoch), .step = s % an_epoch}, false);
      if (trainer.steps_under_way() > trainer.lag()) (void)trainer.end_step();
    }
    EXPECT_EQ(gpu().counters().synchronisations, 0) << aggregation;
    EXPECT_GT(gpu().counters().bytes_to_device, 0) << aggregation;
  }
}

// Neither X nor A X stays on the GPU, only their rows of the sub-batches under way.
TEST_F(GpuMiniFeatures, TakesLessOfTheGpu) {
  constexpr Index kMany = 3000;
  const test::MemoryStore store = test::training_store(kMany, true);
  RunConfig config = config_of("sage", "cached", "unbiased");
  config.mini.batch_ratio = 0.02;
  const std::size_t there = run_on({}, store, config, "device").held,
                    here = run_on({}, store, config, "host").held;
  const std::size_t matrix = kMany * 12 * sizeof(float);
  EXPECT_LT(here + 2 * matrix - matrix / 10, there);
}

}  // namespace
}  // namespace opx::train
