// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Training on a GPU: the losses are those of the CPU, on one rank and on grids of ranks that share the GPU,
// and two runs are equal to the bit.
#include <cmath>
#include <cstdlib>
#include <memory>
#include <vector>

#include <gmock/gmock.h>

#include "comm/communicator.hpp"
#include "comm/staged.hpp"
#include "comm/threads/job.hpp"
#include "support/gpu.hpp"
#include "support/train_case.hpp"
#include "support/train_curve.hpp"
#include "train/trainer.hpp"

namespace opx::train {
namespace {

constexpr Index kVertices = 61;
constexpr double kTolerance = 1e-4;  // relative, of a loss: sums in other orders, 20 updates on

using test::Curve;

Curve run(device::Context& context, comm::Communicator& world, const layout::Grid& grid,
          const graph::Store& store, const RunConfig& config) {
  std::unique_ptr<comm::Communicator> staged;
  if (context.on_gpu()) staged = comm::staged_communicator(context, world);
  parallel::ProcessGrid process_grid(staged ? *staged : world, grid);
  Trainer trainer(context, process_grid, store, config);
  return test::train_curve(trainer, config.epochs);
}

Curve run_alone(device::Context& context, const graph::Store& store, const RunConfig& config) {
  const auto self = comm::self_communicator();
  return run(context, *self, layout::Grid{}, store, config);
}

void expect_close(const Curve& got, const Curve& want, const std::string& what) {
  ASSERT_EQ(got.losses.size(), want.losses.size());
  for (std::size_t e = 0; e < want.losses.size(); ++e) {
    EXPECT_NEAR(got.losses[e], want.losses[e], kTolerance * std::abs(want.losses[e]))
        << what << ", epoch " << e;
    EXPECT_NEAR(got.norms[e], want.norms[e], 1e-3 * want.norms[e]) << what << ", epoch " << e;
  }
  EXPECT_NEAR(got.evaluation.loss[1], want.evaluation.loss[1], 1e-3 * std::abs(want.evaluation.loss[1]))
      << what;
  EXPECT_NEAR(got.evaluation.metrics[1].at(got.metric), want.evaluation.metrics[1].at(want.metric), 0.04)
      << what;
}

struct Scenario {
  std::string name, kind, norm = "none";
  bool symmetric = true, residual = false, learned = false, multi_label = false;
};

test::MemoryStore store_of(const Scenario& s) {
  test::MemoryStore store = test::training_store(kVertices, s.symmetric);
  if (!s.multi_label) return store;
  test::Dense targets(kVertices, 3);
  for (Index i = 0; i < kVertices; ++i)
    for (Index c = 0; c < 3; ++c)
      targets(i, c) = i % 11 == 3 ? std::nan("") : (test::uniform(9, i, c) > 0 ? 1.0 : 0.0);
  store.set_targets(targets);
  return store;
}

RunConfig config_of(const Scenario& s, int epochs) {
  RunConfig config = test::training_config(s.kind);
  config.model.norm = s.norm;
  config.model.residual = s.residual;
  if (s.learned) config.model.features = "learned";
  config.model.feature_dim = 16;
  config.optimizer.clip = 0.5;
  config.epochs = epochs;
  return config;
}

const std::vector<Scenario> kScenarios{{.name = "gcn", .kind = "gcn"},
                                       {.name = "gcn, directed, batch norm, residual",
                                        .kind = "gcn",
                                        .norm = "batch",
                                        .symmetric = false,
                                        .residual = true},
                                       {.name = "sage, layer norm", .kind = "sage", .norm = "layer"},
                                       {.name = "sage, directed, rms norm, residual",
                                        .kind = "sage",
                                        .norm = "rms",
                                        .symmetric = false,
                                        .residual = true},
                                       {.name = "gin", .kind = "gin", .symmetric = false},
                                       {.name = "gcn, learned features", .kind = "gcn", .learned = true},
                                       {.name = "gcn, several labels", .kind = "gcn", .multi_label = true}};

class GpuTrain : public test::GpuTest {};

TEST_F(GpuTrain, OneRankHasTheLossesOfTheCpu) {
  for (const Scenario& s : kScenarios) {
    const test::MemoryStore store = store_of(s);
    const RunConfig config = config_of(s, 20);
    device::Context cpu({.threads = 1});
    gpu().reset_counters();
    const Curve want = run_alone(cpu, store, config), got = run_alone(context(), store, config);
    EXPECT_GT(gpu().counters().launches, 20 * 10) << "the GPU did the work";
    ASSERT_LT(want.losses.back(), want.losses.front()) << s.name;
    expect_close(got, want, s.name);
  }
}

TEST_F(GpuTrain, TwoRunsAreEqualToTheBit) {
  for (const std::size_t which : {1U, 4U}) {
    const Scenario& s = kScenarios[which];
    const test::MemoryStore store = store_of(s);
    const RunConfig config = config_of(s, 5);
    const Curve a = run_alone(context(), store, config), b = run_alone(context(), store, config);
    EXPECT_EQ(a.losses, b.losses) << s.name;
    EXPECT_EQ(a.parameters, b.parameters) << s.name;
    EXPECT_EQ(a.evaluation.loss[1], b.evaluation.loss[1]) << s.name;
  }
}

void expect_same_run(const Curve& got, const Curve& want, const std::string& what) {
  EXPECT_EQ(got.losses, want.losses) << what;
  EXPECT_EQ(got.parameters, want.parameters) << what;
  EXPECT_EQ(got.evaluation.loss[1], want.evaluation.loss[1]) << what;
}

void expect_rounded_alike(const Curve& got, const Curve& want, const std::string& what) {
  constexpr float kRounding = 1e-6F;
  EXPECT_THAT(got.losses, testing::Pointwise(testing::DoubleNear(kRounding), want.losses)) << what;
  EXPECT_THAT(got.parameters, testing::Pointwise(testing::FloatNear(kRounding), want.parameters)) << what;
  EXPECT_NEAR(got.evaluation.loss[1], want.evaluation.loss[1], kRounding) << what;
}

// Features in the host's memory give the bits of features in the GPU's, but for GCN that recomputes A X of an
// X that no residual reads: what came from the host is a copy, which forward_spent() may scale by the factors
// of A's columns, where forward() multiplies the entries of A by them.
TEST_F(GpuTrain, FeaturesOnTheHostGiveTheSameRun) {
  for (const std::size_t which : {0U, 1U, 3U, 4U}) {
    for (const char* aggregation : {"cached", "recomputed"}) {
      const Scenario& s = kScenarios[which];
      const test::MemoryStore store = store_of(s);
      RunConfig config = config_of(s, 3);
      config.model.hidden = {12};  // as wide as the features: the first residual reads them
      config.model.first_aggregation = aggregation;
      for (const double dropout : {-1.0, 0.0}) {
        config.model.input_dropout = dropout;
        config.features_on = "device";
        const Curve want = run_alone(context(), store, config);
        config.features_on = "host";
        const Curve got = run_alone(context(), store, config);
        const bool spent = s.kind == "gcn" && !s.residual && config.model.first_aggregation == "recomputed";
        (spent ? expect_rounded_alike : expect_same_run)(
            got, want, s.name + " " + aggregation + " " + std::to_string(dropout));
      }
    }
  }
}

// In cuSPARSE's place stands a library that refuses an analysis of something else: none may be kept of tiles
// that change, and steps that are captured find theirs.
TEST_F(GpuTrain, ProductsByTheVendorsLibrary) {
  const Scenario& s = kScenarios[1];
  const test::MemoryStore store = store_of(s);
  RunConfig config = config_of(s, 6);
  const Curve want = run_alone(context(), store, config);
  for (const char* word : {"cusparse1", "cusparse3", "tune"}) {
    ASSERT_EQ(::setenv("OPX_SPMM_GPU", word, 1), 0);
    for (const char* graph : {"off", "on"}) {
      config.cuda_graph = graph;
      device::Context own({.threads = 1, .gpu = 0});
      expect_close(run_alone(own, store, config), want, word + std::string(" ") + graph);
    }
    ASSERT_EQ(::unsetenv("OPX_SPMM_GPU"), 0);
  }
}

TEST_F(GpuTrain, FeaturesOnTheHostOnAGrid) {
  const test::MemoryStore store = store_of(kScenarios[1]);
  RunConfig config = config_of(kScenarios[1], 2);
  const layout::Grid grid{.gx = 2, .gy = 2};
  std::vector<Curve> curves(2);
  for (const std::string place : {"device", "host"}) {
    config.features_on = place;
    comm::run_threads(grid.tensor_ranks(), {}, [&](comm::Communicator& world) {
      device::Context own({.threads = 1, .gpu = 0});
      const Curve curve = run(own, world, grid, store, config);
      if (world.rank() == 0) curves[place == "host" ? 1 : 0] = curve;
    });
  }
  EXPECT_EQ(curves[0].losses, curves[1].losses);
  EXPECT_EQ(curves[0].parameters, curves[1].parameters);
}

TEST_F(GpuTrain, GridsOfRanksOnOneGpu) {
  const Scenario& s = kScenarios[1];
  const test::MemoryStore store = store_of(s);
  for (const std::string wire : {"fp32", "bf16"}) {
    RunConfig config = config_of(s, 4);
    const Curve want = run_alone(context(), store, config);
    config.wire = wire;
    for (const layout::Grid& grid :
         {layout::Grid{.gx = 2}, layout::Grid{.gx = 1, .gy = 2}, layout::Grid{.gx = 2, .gy = 1, .gz = 2},
          layout::Grid{.gx = 2, .gy = 2, .gz = 2}}) {
      if (wire == "bf16" && grid.tensor_ranks() != 4) continue;
      comm::run_threads(grid.tensor_ranks(), {}, [&](comm::Communicator& world) {
        device::Context own({.threads = 1, .gpu = 0});
        const Curve got = run(own, world, grid, store, config);
        if (wire == "fp32")
          expect_close(got, want, layout::to_string(grid));
        else
          EXPECT_NEAR(got.losses.back(), want.losses.back(), 0.05 * want.losses.back());
      });
    }
  }
}

}  // namespace
}  // namespace opx::train
