// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Training over NCCL, with panels and gradients that travel beside the computation: the bits of the same grid
// with staged collectives, where nothing overlaps.
#include <vector>

#include "comm/staged.hpp"
#include "support/gpu.hpp"
#include "support/nccl_ranks.hpp"
#include "support/train_case.hpp"
#include "train/trainer.hpp"

namespace opx::train {
namespace {

struct Steps {
  std::vector<double> losses, norms;
  std::vector<float> parameters;
  std::int64_t synchronisations = 0, last_launches = 0, bytes = 0;
  Index graphs = 0;  ///< steps that were one launch
};

Steps train(device::Context& context, comm::Communicator& world, const layout::Grid& shape,
            const graph::Store& store, const RunConfig& config) {
  parallel::ProcessGrid grid(world, shape);
  Trainer trainer(context, grid, store, config);
  Steps out;
  context.gpu().reset_counters();
  world.traffic().reset();
  for (int epoch = 0; epoch < config.epochs; ++epoch) {
    context.gpu().synchronise();
    const std::int64_t before = context.gpu().counters().launches;
    const TrainerBase::Step step = trainer.step(epoch);
    out.last_launches = context.gpu().counters().launches - before;
    out.losses.push_back(step.loss);
    out.norms.push_back(step.gradient_norm);
  }
  out.synchronisations = context.gpu().counters().synchronisations - config.epochs;
  out.bytes = world.traffic().total_bytes();
  out.graphs = trainer.graph_launches();
  (void)trainer.evaluate();
  (void)trainer.step(config.epochs);  // pools have been used in between
  out.parameters =
      device::host_copy(context, std::span<const float>(trainer.network().parameters().values()));
  return out;
}

using GpuTrainOverlap = test::GpuTest;

TEST_F(GpuTrainOverlap, HasTheBitsOfStagedCollectives) {
  const test::MemoryStore store = test::training_store(61, true);
  RunConfig config = test::training_config("gcn");
  config.epochs = 3;
  test::with_nccl_ranks({4}, [&](test::NcclRank& rank) {
    for (const layout::Grid& shape : {layout::Grid{.gx = 2, .gy = 2}, layout::Grid{.gx = 2, .gz = 2}}) {
      const auto staged = comm::staged_communicator(rank.context, rank.threads);
      RunConfig own = config;
      own.panels = 1;
      const Steps want = train(rank.context, *staged, shape, store, own);
      own.panels = 2;
      const Steps got = train(rank.context, *rank.nccl, shape, store, own);
      EXPECT_EQ(got.losses, want.losses) << layout::to_string(shape);
      EXPECT_EQ(got.norms, want.norms) << layout::to_string(shape);
      EXPECT_EQ(got.parameters, want.parameters) << layout::to_string(shape);
      EXPECT_LT(got.synchronisations, want.synchronisations / 2) << layout::to_string(shape);
      EXPECT_EQ(got.bytes, want.bytes) << layout::to_string(shape);
    }
  });
}

// With CommOptions::check_collectives: all ranks of a job call the same, whatever the grid.
TEST_F(GpuTrainOverlap, ComparedCollectivesHaveTheSameBits) {
  const test::MemoryStore store = test::training_store(61, true);
  RunConfig config = test::training_config("sage");
  config.epochs = 3;
  config.panels = 2;
  const auto run = [&](const layout::Grid& shape, bool checked) {
    std::vector<Steps> all(4);
    test::with_nccl_ranks({4},
                          [&](test::NcclRank& rank) {
                            all[static_cast<std::size_t>(rank.threads.rank())] =
                                train(rank.context, *rank.nccl, shape, store, config);
                          },
                          {.timeout_seconds = 120, .check_collectives = checked});
    return all;
  };
  for (const layout::Grid& shape : {layout::Grid{.gx = 2, .gz = 2}, layout::Grid{.gy = 4}}) {
    const std::vector<Steps> want = run(shape, false), got = run(shape, true);
    for (std::size_t r = 0; r < got.size(); ++r) {
      EXPECT_EQ(got[r].losses, want[r].losses) << layout::to_string(shape);
      EXPECT_EQ(got[r].parameters, want[r].parameters) << layout::to_string(shape);
      EXPECT_EQ(got[r].bytes, want[r].bytes) << layout::to_string(shape);
    }
  }
}

using GpuStepGraph = test::GpuTest;

void expect_same(const Steps& got, const Steps& want, const std::string& what) {
  EXPECT_EQ(got.losses, want.losses) << what;
  EXPECT_EQ(got.norms, want.norms) << what;
  EXPECT_EQ(got.parameters, want.parameters) << what;
  EXPECT_EQ(got.bytes, want.bytes) << what;
  EXPECT_GT(want.last_launches, 10) << what;
  EXPECT_EQ(got.last_launches, 1) << what;
  EXPECT_GE(got.graphs, 3) << what;
}

/// Dropout, clipping, a learning rate that changes in every step.
RunConfig stepped(const std::string& model) {
  RunConfig config = test::training_config(model);
  config.epochs = 9;
  config.optimizer.clip = 0.5;
  config.optimizer.schedule = "cosine";
  return config;
}

TEST_F(GpuStepGraph, LaunchesGiveTheBitsOfStepsAsEver) {
  for (const bool batch_norm : {false, true}) {
    const test::MemoryStore store = test::training_store(61, !batch_norm);
    RunConfig config = stepped(batch_norm ? "sage" : "gcn");
    if (batch_norm) {
      config.model.norm = "batch";
      config.model.residual = true;
      config.optimizer.kind = "sgd";
      config.optimizer.momentum = 0.9;
    }
    const auto self = comm::self_communicator();
    const auto world = comm::staged_communicator(context(), *self);
    const Steps want = train(context(), *world, {}, store, config);
    config.cuda_graph = "on";
    expect_same(train(context(), *world, {}, store, config), want, config.model.kind);
  }
}

TEST_F(GpuStepGraph, WithCollectivesOverNccl) {
  const test::MemoryStore store = test::training_store(61, true);
  RunConfig config = stepped("gcn");
  config.model.norm = "batch";
  config.panels = 2;
  test::with_nccl_ranks({4}, [&](test::NcclRank& rank) {
    const layout::Grid shape{.gx = 2, .gy = 2};
    RunConfig own = config;
    const Steps want = train(rank.context, *rank.nccl, shape, store, own);
    own.cuda_graph = "on";
    expect_same(train(rank.context, *rank.nccl, shape, store, own), want, "nccl");
  });
}

TEST_F(GpuStepGraph, StagedCollectivesAreNotCaptured) {
  const test::MemoryStore store = test::training_store(61, true);
  RunConfig config = stepped("gcn");
  config.epochs = 6;
  config.cuda_graph = "on";
  comm::run_threads(2, {}, [&](comm::Communicator& world) {
    device::Context own({.threads = 1, .gpu = 0});
    const auto staged = comm::staged_communicator(own, world);
    const Steps got = train(own, *staged, {.gx = 2}, store, config);
    EXPECT_EQ(got.graphs, 0);
    EXPECT_GT(got.last_launches, 1);
  });
}

}  // namespace
}  // namespace opx::train
