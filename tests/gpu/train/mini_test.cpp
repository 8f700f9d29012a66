// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Mini-batches on a GPU: the losses are those of the CPU for every sampler and estimator, on one rank, on
// grids of ranks and replicas that share the GPU, and two runs are equal to the bit.
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include "base/error.hpp"
#include "comm/communicator.hpp"
#include "comm/staged.hpp"
#include "comm/threads/job.hpp"
#include "support/gpu.hpp"
#include "support/train_case.hpp"
#include "support/train_curve.hpp"
#include "train/mini_trainer.hpp"
#include "train/trainer.hpp"

namespace opx::train {
namespace {

constexpr Index kVertices = 72, kVirtualBlocks = 4, kPerStep = 2;
constexpr double kTolerance = 1e-4;  // relative, of a loss: sums in other orders, some updates on

struct Scenario {
  std::string model, sampler, estimator = "unbiased", norm = "none";
  bool symmetric = true, cached = false, residual = false, multi_label = false;
  [[nodiscard]] std::string name() const { return model + " " + sampler + " " + estimator + " " + norm; }
};

test::MemoryStore store_of(const Scenario& s) {
  test::MemoryStore store = test::training_store(kVertices, s.symmetric);
  store.set_virtual_blocks(kVirtualBlocks);
  std::vector<std::int32_t> parts(kVertices);
  for (Index v = 0; v < kVertices; ++v)
    parts[static_cast<std::size_t>(v)] = static_cast<std::int32_t>(v * 7 % 10);
  store.set_parts(parts, 10);
  if (!s.multi_label) return store;
  test::Dense targets(kVertices, 3);
  for (Index i = 0; i < kVertices; ++i)
    for (Index c = 0; c < 3; ++c)
      targets(i, c) = i % 11 == 3 ? std::nan("") : (test::uniform(9, i, c) > 0 ? 1.0 : 0.0);
  store.set_targets(targets);
  return store;
}

RunConfig config_of(const Scenario& s) {
  RunConfig config = test::training_config(s.model);
  config.mode = "mini";
  config.model.norm = s.norm;
  config.model.residual = s.residual;
  config.model.first_aggregation = s.cached ? "cached" : "recomputed";
  config.mini.batch_ratio = 0.25;
  config.mini.sampler = s.sampler;
  config.mini.estimator = s.estimator;
  config.mini.accumulate = kPerStep;
  config.optimizer.clip = 0.5;
  config.epochs = 2;
  return config;
}

using test::Curve;

Curve run(device::Context& context, comm::Communicator& world, const layout::Grid& grid,
          const graph::Store& store, const RunConfig& config) {
  std::unique_ptr<comm::Communicator> staged;
  if (context.on_gpu()) staged = comm::staged_communicator(context, world);
  parallel::ProcessGrid process_grid(staged ? *staged : world, grid);
  MiniTrainer trainer(context, process_grid, store, config);
  return test::train_curve(trainer, config.epochs);
}

Curve run_alone(device::Context& context, const graph::Store& store, const RunConfig& config) {
  const auto self = comm::self_communicator();
  return run(context, *self, layout::Grid{}, store, config);
}

void expect_close(const Curve& got, const Curve& want, const std::string& what) {
  ASSERT_EQ(got.losses.size(), want.losses.size());
  for (std::size_t s = 0; s < want.losses.size(); ++s) {
    EXPECT_NEAR(got.losses[s], want.losses[s], kTolerance * std::abs(want.losses[s])) << what << ", " << s;
    EXPECT_NEAR(got.norms[s], want.norms[s], 1e-3 * want.norms[s]) << what << ", " << s;
  }
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(got.evaluation.loss[i], want.evaluation.loss[i], 1e-3 * want.evaluation.loss[i]) << what;
  EXPECT_EQ(got.counts.vertices, want.counts.vertices) << what;
  EXPECT_EQ(got.counts.sampled_degree, want.counts.sampled_degree) << what;
  EXPECT_EQ(got.counts.measured_rows, want.counts.measured_rows) << what;
  EXPECT_EQ(got.counts.isolated_rows, want.counts.isolated_rows) << what;
}

void expect_same(const Curve& a, const Curve& b, const std::string& what) {
  EXPECT_EQ(a.losses, b.losses) << what;
  EXPECT_EQ(a.norms, b.norms) << what;
  EXPECT_EQ(a.parameters, b.parameters) << what;
  EXPECT_EQ(a.evaluation.loss, b.evaluation.loss) << what;
  EXPECT_EQ(a.counts.sampled_degree, b.counts.sampled_degree) << what;
  EXPECT_EQ(a.counts.isolated_rows, b.counts.isolated_rows) << what;
}

const std::vector<Scenario> kScenarios{
    {.model = "gcn", .sampler = "stratified", .norm = "batch"},
    {.model = "gcn",
     .sampler = "stratified",
     .estimator = "self-normalised",
     .norm = "batch",
     .symmetric = false,
     .residual = true},
    {.model = "sage", .sampler = "uniform", .estimator = "self-normalised", .norm = "layer", .cached = true},
    {.model = "gin", .sampler = "degree", .symmetric = false},
    {.model = "gcn", .sampler = "train", .norm = "rms", .cached = true},
    {.model = "sage", .sampler = "cluster", .symmetric = false, .multi_label = true},
    {.model = "gcn", .sampler = "saint-walk", .estimator = "self-normalised"}};

class GpuMini : public test::GpuTest {};

TEST_F(GpuMini, OneRankHasTheLossesOfTheCpu) {
  for (const Scenario& s : kScenarios) {
    const test::MemoryStore store = store_of(s);
    const RunConfig config = config_of(s);
    device::Context cpu({.threads = 1});
    const Curve want = run_alone(cpu, store, config);
    for (const char* where : {"cpu", "gpu"}) {
      RunConfig there = config;
      there.mini.build_batches = where;
      gpu().reset_counters();
      const Curve got = run_alone(context(), store, there);
      EXPECT_GT(gpu().counters().launches, 20 * std::ssize(want.losses)) << "the GPU did the work";
      expect_close(got, want, s.name() + ", batches by " + where);
    }
  }
}

// Results are asked for a step late, as a session does.
void expect_no_synchronisation(device::gpu::Device& gpu, TrainerBase& trainer, const std::string& what) {
  constexpr Index kFirst = 2, kSteps = 6;
  const Index an_epoch = trainer.steps_per_epoch();
  for (Index s = 0; s < kSteps; ++s) {
    if (s == kFirst) gpu.reset_counters();
    trainer.begin_step({.epoch = static_cast<int>(s / an_epoch), .step = s % an_epoch}, false);
    if (trainer.steps_under_way() > trainer.lag()) (void)trainer.end_step();
  }
  EXPECT_EQ(gpu.counters().synchronisations, 0) << what;
  EXPECT_GT(gpu.counters().launches, 0) << what;
}

TEST_F(GpuMini, NothingWaitsForTheHostInAStep) {
  const auto self = comm::self_communicator();
  const auto staged = comm::staged_communicator(context(), *self);
  parallel::ProcessGrid grid(*staged, layout::Grid{});
  for (const std::size_t which : {0U, 2U, 3U, 5U}) {
    const Scenario& s = kScenarios[which];
    const test::MemoryStore store = store_of(s);
    RunConfig config = config_of(s);
    config.epochs = 100;
    for (const char* where : {"cpu", "gpu"}) {
      config.mini.build_batches = where;
      MiniTrainer trainer(context(), grid, store, config);
      expect_no_synchronisation(gpu(), trainer, "mini " + s.name() + ", batches by " + where);
    }
    config.mode = "full";
    config.mini = {};
    Trainer trainer(context(), grid, store, config);
    expect_no_synchronisation(gpu(), trainer, "full " + s.name());
  }
}

// One training vertex: most steps have none.
TEST_F(GpuMini, AStepWithoutTrainingVerticesChangesNothing) {
  test::MemoryStore store = store_of(kScenarios[0]);
  std::vector<graph::Split> splits(kVertices, graph::Split::kNone);
  splits[40] = graph::Split::kTrain;
  store.set_splits(splits);
  const auto self = comm::self_communicator();
  const auto staged = comm::staged_communicator(context(), *self);
  parallel::ProcessGrid grid(*staged, layout::Grid{});
  MiniTrainer trainer(context(), grid, store, config_of(kScenarios[0]));
  model::Parameters& parameters = trainer.network().parameters();
  const auto values = [&] {
    auto all = device::host_copy(context(), std::span<const float>(parameters.values()));
    const auto statistics = device::host_copy(context(), std::span<const float>(parameters.statistics()));
    all.insert(all.end(), statistics.begin(), statistics.end());
    return all;
  };
  Index skipped = 0;
  for (Index s = 0; s < trainer.steps_per_epoch(); ++s) {
    const std::vector<float> before = values();
    const TrainerBase::Step step = trainer.step({0, s}, false);
    EXPECT_EQ(values() == before, step.weight == 0);
    skipped += step.weight == 0 ? 1 : 0;
  }
  EXPECT_EQ(skipped, trainer.steps_per_epoch() - 1);
  EXPECT_EQ(trainer.counts().skipped_steps, skipped);
  EXPECT_EQ(trainer.optimizer().steps(), 1);
}

TEST_F(GpuMini, SampledEvaluationIsThatOfTheCpu) {
  const test::MemoryStore store = store_of(kScenarios[1]);
  RunConfig config = config_of(kScenarios[1]);
  config.mini.sampled_eval = true;
  config.epochs = 1;
  device::Context cpu({.threads = 1});
  expect_close(run_alone(context(), store, config), run_alone(cpu, store, config), "sampled evaluation");
}

TEST_F(GpuMini, TwoRunsAreEqualToTheBitWhateverTheDepth) {
  const Scenario& s = kScenarios[1];
  const test::MemoryStore store = store_of(s);
  RunConfig config = config_of(s);
  for (const char* where : {"cpu", "gpu"}) {
    config.mini.build_batches = where;
    const Curve a = run_alone(context(), store, config);
    for (const int depth : {0, 1, 3}) {
      config.mini.pipeline_depth = depth;
      expect_same(run_alone(context(), store, config), a, where + std::to_string(depth));
    }
  }
}

// In cuSPARSE's place stands a library that refuses an analysis of another pattern: none may be kept of the
// tiles of sub-batches, which come and go at the same addresses.
TEST_F(GpuMini, ProductsByTheVendorsLibrary) {
  const Scenario& s = kScenarios[1];
  const test::MemoryStore store = store_of(s);
  const RunConfig config = config_of(s);
  const Curve want = run_alone(context(), store, config);
  for (const char* word : {"cusparse2", "tune"}) {
    ASSERT_EQ(::setenv("OPX_SPMM_GPU", word, 1), 0);
    device::Context own({.threads = 1, .gpu = 0});
    expect_close(run_alone(own, store, config), want, word);
    ASSERT_EQ(::unsetenv("OPX_SPMM_GPU"), 0);
  }
}

// Transposes of tiles of all rows have another order with rows of the loss first: not where the last layer
// alone is sampled, nor where all rows are computed.
TEST_F(GpuMini, BatchesCutThereGiveTheBitsOfTheCpus) {
  const auto run_by = [&](const test::MemoryStore& store, RunConfig config, const char* where) {
    config.mini.build_batches = where;
    return run_alone(context(), store, config);
  };
  for (const Scenario& s : kScenarios) {
    const test::MemoryStore store = store_of(s);
    RunConfig config = config_of(s);
    config.epochs = 1;
    config.mini.all_rows = true;
    expect_same(run_by(store, config, "gpu"), run_by(store, config, "cpu"), s.name() + ", all rows");
    config.mini.all_rows = false;
    config.model.layers = 2;
    config.model.first_aggregation = "cached";
    expect_same(run_by(store, config, "gpu"), run_by(store, config, "cpu"), s.name() + ", two layers");
  }
}

TEST_F(GpuMini, CuttingThereTakesNoTilesInHostMemory) {
  const Scenario& s = kScenarios[3];  // directed: transposes of its own
  const test::MemoryStore store = store_of(s);
  const auto self = comm::self_communicator();
  const auto held = [&](device::Context& own, const char* where) {
    const auto staged = comm::staged_communicator(own, *self);
    parallel::ProcessGrid grid(*staged, layout::Grid{});
    RunConfig config = config_of(s);
    config.mini.build_batches = where;
    MiniTrainer trainer(own, grid, store, config);
    (void)trainer.step({0, 0}, false);
    return std::pair(own.host().memory().now(), own.memory().now());
  };
  device::Context a({.threads = 1, .gpu = 0}), b({.threads = 1, .gpu = 0});
  const auto by_cpu = held(a, "cpu"), by_gpu = held(b, "gpu");
  const auto tile = static_cast<std::size_t>(4 * store.info().edges);
  EXPECT_GE(by_cpu.first, by_gpu.first + tile);
  EXPECT_GE(by_gpu.second, tile);
}

TEST_F(GpuMini, RefusesToCutWhereThereIsNoGpu) {
  RunConfig config = config_of(kScenarios[0]);
  config.mini.build_batches = "gpu";
  device::Context cpu({.threads = 1});
  EXPECT_THROW(run_alone(cpu, store_of(kScenarios[0]), config), base::InvalidArgument);
}

TEST_F(GpuMini, GridsOfRanksAndReplicasOnOneGpu) {
  const Scenario& s = kScenarios[1];
  const test::MemoryStore store = store_of(s);
  RunConfig config = config_of(s);
  config.epochs = 1;
  device::Context cpu({.threads = 1});
  const Curve want = run_alone(cpu, store, config);
  for (const layout::Grid& grid : {layout::Grid{.gx = 2}, layout::Grid{.gx = 1, .gy = 2, .gz = 2},
                                   layout::Grid{.gd = 2}, layout::Grid{.gx = 1, .gz = 2, .gd = 2}}) {
    config.mini.accumulate = static_cast<int>(kPerStep / grid.gd);
    comm::run_threads(grid.ranks(), {}, [&](comm::Communicator& world) {
      device::Context own({.threads = 1, .gpu = 0});
      const Curve got = run(own, world, grid, store, config);
      expect_close(got, want, layout::to_string(grid));
    });
  }
}

}  // namespace
}  // namespace opx::train
