// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Steps of mini-batches that are launched as one graph: what uncaptured steps give, to the bit where padding
// adds no rows, else within rounding; sub-batches that outgrow the shape; evaluation in between; replicas.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "comm/staged.hpp"
#include "comm/threads/job.hpp"
#include "support/gpu.hpp"
#include "support/nccl_ranks.hpp"
#include "support/train_case.hpp"
#include "train/mini_trainer.hpp"

namespace opx::train {
namespace {

constexpr Index kVirtualBlocks = 4;

struct Case {
  std::string model = "gcn", sampler = "stratified", estimator = "unbiased", norm = "none";
  bool cached = false, residual = false, multi_label = false, symmetric = true;
  int accumulate = 1, depth = 1;
  Index vertices = 72;
  [[nodiscard]] std::string name() const {
    return model + " " + sampler + " " + estimator + " " + norm + " x" + std::to_string(accumulate);
  }
};

test::MemoryStore store_of(const Case& c) {
  test::MemoryStore store = test::training_store(c.vertices, c.symmetric);
  store.set_virtual_blocks(kVirtualBlocks);
  std::vector<std::int32_t> parts(static_cast<std::size_t>(c.vertices));
  for (Index v = 0; v < c.vertices; ++v)
    parts[static_cast<std::size_t>(v)] = static_cast<std::int32_t>(v * 7 % 10);
  store.set_parts(parts, 10);
  if (!c.multi_label) return store;
  test::Dense targets(c.vertices, 3);
  for (Index i = 0; i < c.vertices; ++i)
    for (Index t = 0; t < 3; ++t)
      targets(i, t) = i % 11 == 3 ? std::nan("") : (test::uniform(9, i, t) > 0 ? 1.0 : 0.0);
  store.set_targets(targets);
  return store;
}

/// A learning rate that changes with the epoch.
RunConfig config_of(const Case& c) {
  RunConfig config = test::training_config(c.model);
  config.mode = "mini";
  config.model.norm = c.norm;
  config.model.residual = c.residual;
  config.model.first_aggregation = c.cached ? "cached" : "recomputed";
  config.mini.batch_ratio = 0.25;
  config.mini.sampler = c.sampler;
  config.mini.estimator = c.estimator;
  config.mini.accumulate = c.accumulate;
  config.mini.pipeline_depth = c.depth;
  config.optimizer.clip = 0.5;
  config.optimizer.schedule = "cosine";
  config.epochs = 5;
  return config;
}

struct Steps {
  std::vector<double> losses, norms, weights;
  std::vector<float> parameters;
  std::vector<double> valid_losses;
  BatchCounts counts;
  Index graphs = 0, ones = 0, steps = 0;  ///< steps launched as a graph; with one launch; all
  std::int64_t synchronisations = 0, bytes = 0;
};

Steps train(device::Context& context, comm::Communicator& world, const layout::Grid& shape,
            const graph::Store& store, const RunConfig& config) {
  parallel::ProcessGrid grid(world, shape);
  MiniTrainer trainer(context, grid, store, config);
  Steps out;
  device::gpu::Device& gpu = context.gpu();
  world.traffic().reset();
  for (int epoch = 0; epoch < config.epochs; ++epoch) {
    for (Index s = 0; s < trainer.steps_per_epoch(); ++s) {
      const device::gpu::Counters before = gpu.counters();
      trainer.begin_step({epoch, s}, false);
      out.ones += gpu.counters().launches == before.launches + 1 ? 1 : 0;
      if (epoch > 2) out.synchronisations += gpu.counters().synchronisations - before.synchronisations;
      const TrainerBase::Step step = trainer.end_step();
      ++out.steps;
      out.losses.push_back(step.loss);
      out.norms.push_back(step.gradient_norm);
      out.weights.push_back(step.weight);
    }
    out.bytes = world.traffic().total_bytes();
    if (epoch % 2 == 0) out.valid_losses.push_back(trainer.evaluate().loss[1]);
  }
  out.parameters =
      device::host_copy(context, std::span<const float>(trainer.network().parameters().values()));
  out.counts = trainer.counts();
  out.graphs = trainer.graph_launches();
  return out;
}

Steps train_alone(device::Context& context, const graph::Store& store, const RunConfig& config) {
  const auto self = comm::self_communicator();
  const auto world = comm::staged_communicator(context, *self);
  return train(context, *world, {}, store, config);
}

void expect_same_bits(const Steps& got, const Steps& want, const std::string& what) {
  EXPECT_EQ(got.losses, want.losses) << what;
  EXPECT_EQ(got.norms, want.norms) << what;
  EXPECT_EQ(got.parameters, want.parameters) << what;
  EXPECT_EQ(got.valid_losses, want.valid_losses) << what;
}

void expect_close(const Steps& got, const Steps& want, const std::string& what) {
  ASSERT_EQ(got.losses.size(), want.losses.size()) << what;
  EXPECT_EQ(got.weights, want.weights) << what;
  for (std::size_t s = 0; s < want.losses.size(); ++s) {
    EXPECT_NEAR(got.losses[s], want.losses[s], 2e-6 * std::abs(want.losses[s])) << what << ", step " << s;
    EXPECT_NEAR(got.norms[s], want.norms[s], 1e-5 * want.norms[s]) << what << ", step " << s;
  }
  for (std::size_t e = 0; e < want.valid_losses.size(); ++e)
    EXPECT_NEAR(got.valid_losses[e], want.valid_losses[e], 1e-5 * want.valid_losses[e]) << what;
}

void expect_counts(const Steps& got, const Steps& want, const std::string& what) {
  EXPECT_EQ(got.counts.sub_batches, want.counts.sub_batches) << what;
  EXPECT_EQ(got.counts.vertices, want.counts.vertices) << what;
  EXPECT_EQ(got.counts.sampled_degree, want.counts.sampled_degree) << what;
  EXPECT_EQ(got.counts.measured_rows, want.counts.measured_rows) << what;
  EXPECT_EQ(got.counts.isolated_rows, want.counts.isolated_rows) << what;
  EXPECT_EQ(got.counts.skipped_steps, want.counts.skipped_steps) << what;
}

using GpuMiniGraph = test::GpuTest;

TEST_F(GpuMiniGraph, LaunchesGiveWhatStepsAsEverGive) {
  const std::vector<Case> cases{
      {},
      {.norm = "batch", .residual = true, .symmetric = false},
      {.model = "sage", .estimator = "self-normalised", .norm = "batch", .cached = true, .accumulate = 2},
      {.model = "gin", .norm = "layer", .symmetric = false, .depth = 0},
      {.model = "sage", .norm = "rms", .multi_label = true, .accumulate = 2, .depth = 3},
      {.model = "gcn", .sampler = "uniform", .norm = "batch", .cached = true}};
  for (const Case& c : cases) {
    const test::MemoryStore store = store_of(c);
    RunConfig config = config_of(c);
    const Steps want = train_alone(context(), store, config);
    config.cuda_graph = "on";
    const Steps got = train_alone(context(), store, config);
    expect_close(got, want, c.name());
    expect_counts(got, want, c.name());
    EXPECT_EQ(want.graphs, 0);
    EXPECT_GE(got.graphs, got.steps / 2) << c.name();
    EXPECT_GE(got.ones, got.graphs - config.epochs) << c.name()
                                                    << ": a step is one launch, but for the first "
                                                       "of an epoch, which counts neighbours";
    EXPECT_EQ(got.synchronisations, 0) << c.name();
    EXPECT_LT(want.ones, 1);
  }
}

// Blocks that the batches divide evenly, and all rows of the last layer: no row is added.
TEST_F(GpuMiniGraph, WithoutPaddingToTheBit) {
  for (const int accumulate : {1, 2}) {
    Case c{.norm = "batch", .residual = true, .accumulate = accumulate, .vertices = 64};
    const test::MemoryStore store = store_of(c);
    RunConfig config = config_of(c);
    config.mini.all_rows = true;
    const Steps want = train_alone(context(), store, config);
    config.cuda_graph = "on";
    const Steps got = train_alone(context(), store, config);
    expect_same_bits(got, want, c.name());
    EXPECT_GE(got.graphs, 2);
    for (const int depth : {0, 3}) {
      config.mini.pipeline_depth = depth;
      expect_same_bits(train_alone(context(), store, config), want, c.name());
    }
  }
}

// Samplers whose sub-batches differ in size by much.
TEST_F(GpuMiniGraph, ShapesGrow) {
  for (const char* sampler : {"cluster", "degree", "train", "saint-walk"}) {
    Case c{.sampler = sampler, .norm = "batch", .vertices = 90};
    const test::MemoryStore store = store_of(c);
    RunConfig config = config_of(c);
    config.epochs = 8;
    const Steps want = train_alone(context(), store, config);
    config.cuda_graph = "on";
    const Steps got = train_alone(context(), store, config);
    expect_close(got, want, c.name());
    expect_counts(got, want, c.name());
    EXPECT_GE(got.graphs, 1) << c.name();
  }
}

// Seven sub-batches an epoch, two a step: the last step of an epoch is other work.
TEST_F(GpuMiniGraph, ShortStepsRunAsEver) {
  Case c{.norm = "batch", .accumulate = 2, .vertices = 120};
  const test::MemoryStore store = store_of(c);
  RunConfig config = config_of(c);
  config.mini.batch_ratio = 1.0 / 7;
  config.epochs = 4;
  const Steps want = train_alone(context(), store, config);
  config.cuda_graph = "on";
  const Steps got = train_alone(context(), store, config);
  expect_close(got, want, c.name());
  EXPECT_EQ(got.steps, 16);
  EXPECT_GE(got.graphs, 4);
  EXPECT_LE(got.graphs, 12);
}

TEST_F(GpuMiniGraph, SampledEvaluationInBetween) {
  const Case c{.estimator = "self-normalised", .norm = "batch"};
  const test::MemoryStore store = store_of(c);
  RunConfig config = config_of(c);
  config.mini.sampled_eval = true;
  const Steps want = train_alone(context(), store, config);
  config.cuda_graph = "on";
  const Steps got = train_alone(context(), store, config);
  expect_close(got, want, c.name());
  EXPECT_GE(got.graphs, got.steps / 2);
}

TEST_F(GpuMiniGraph, StepsWithoutTrainingVertices) {
  const Case c;
  test::MemoryStore store = store_of(c);
  std::vector<graph::Split> splits(static_cast<std::size_t>(c.vertices), graph::Split::kNone);
  splits[40] = graph::Split::kTrain;
  store.set_splits(splits);
  RunConfig config = config_of(c);
  const Steps want = train_alone(context(), store, config);
  config.cuda_graph = "on";
  const Steps got = train_alone(context(), store, config);
  expect_close(got, want, c.name());
  EXPECT_EQ(std::ranges::count(got.weights, 0.0), got.steps - config.epochs);
  EXPECT_GE(got.graphs, got.steps / 2);
}

TEST_F(GpuMiniGraph, ReplicasOverNccl) {
  const Case c{.norm = "batch", .vertices = 90};
  const test::MemoryStore store = store_of(c);
  const RunConfig config = config_of(c);
  test::with_nccl_ranks({2}, [&](test::NcclRank& rank) {
    const layout::Grid shape{.gd = 2};
    RunConfig own = config;
    own.epochs = 7;
    const Steps want = train(rank.context, *rank.nccl, shape, store, own);
    own.cuda_graph = "on";
    const Steps got = train(rank.context, *rank.nccl, shape, store, own);
    expect_close(got, want, "replicas");
    EXPECT_EQ(got.bytes, want.bytes);
    EXPECT_GE(got.graphs, got.steps / 2);
  });
}

TEST_F(GpuMiniGraph, GridsOverNccl) {
  const auto check = [&](const char* sampler, const layout::Grid& shape) {
    const Case c{.sampler = sampler, .norm = "batch", .vertices = 90};
    const test::MemoryStore store = store_of(c);
    RunConfig config = config_of(c);
    config.epochs = shape.gd > 1 ? 7 : 4;
    test::with_nccl_ranks({4}, [&](test::NcclRank& rank) {
      RunConfig own = config;
      const Steps want = train(rank.context, *rank.nccl, shape, store, own);
      own.cuda_graph = "on";
      const Steps got = train(rank.context, *rank.nccl, shape, store, own);
      expect_close(got, want, c.name());
      expect_counts(got, want, c.name());
      EXPECT_GE(got.graphs, 1) << c.name();
    });
  };
  check("stratified", {.gx = 2, .gz = 2});
  check("cluster", {.gy = 2, .gd = 2});
}

// Ranks that share a GPU without NCCL.
TEST_F(GpuMiniGraph, StagedCollectivesAreNotCaptured) {
  const Case c;
  const test::MemoryStore store = store_of(c);
  RunConfig config = config_of(c);
  config.epochs = 1;
  config.cuda_graph = "on";
  comm::run_threads(2, {}, [&](comm::Communicator& world) {
    device::Context own({.threads = 1, .gpu = 0});
    const auto staged = comm::staged_communicator(own, world);
    EXPECT_EQ(train(own, *staged, {.gx = 2}, store, config).graphs, 0);
  });
}

}  // namespace
}  // namespace opx::train
