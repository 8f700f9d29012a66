// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory plan against what a Device hands out at most, and what happens where that does not suffice.
#include <algorithm>
#include <memory>

#include <gmock/gmock.h>

#include "comm/staged.hpp"
#include "comm/threads/job.hpp"
#include "support/gpu.hpp"
#include "support/train_case.hpp"
#include "train/gpu_memory.hpp"
#include "train/mini_trainer.hpp"
#include "train/network.hpp"
#include "train/trainer.hpp"

namespace opx::train {
namespace {

using testing::HasSubstr;

constexpr Index kVertices = 2000;
constexpr layout::Grid kFour{.gx = 1, .gy = 2, .gz = 2};

std::string name_of(const RunConfig& config, const layout::Grid& grid) {
  return config.model.kind + " " + config.model.norm + " " + layout::to_string(grid);
}

/// Bytes of the Device at its peak over the plan's: two steps and an evaluation.
double measured_over_planned(comm::Communicator& world, const layout::Grid& grid, const graph::Store& store,
                             const RunConfig& config) {
  device::Context context({.threads = 1, .gpu = 0});
  const std::unique_ptr<comm::Communicator> staged = comm::staged_communicator(context, world);
  parallel::ProcessGrid process_grid(*staged, grid);
  Trainer trainer(context, process_grid, store, config);
  for (int epoch = 0; epoch < 2; ++epoch) (void)trainer.step(epoch);
  (void)trainer.evaluate();
  const GpuMemoryPlan plan = plan_gpu_memory(store.info(), grid, config, trainer.spec(), {.overlaps = false});
  const auto measured = static_cast<double>(context.gpu().memory().peak());
  return measured / static_cast<double>(plan.counted());
}

class GpuMemory : public test::GpuTest {};

TEST_F(GpuMemory, ThePlanIsCloseToWhatIsTaken) {
  const test::MemoryStore store = test::training_store(kVertices, true),
                          directed = test::training_store(kVertices, false);
  const auto check = [&](const graph::Store& of, const RunConfig& config, const layout::Grid& grid) {
    comm::run_threads(grid.tensor_ranks(), {}, [&](comm::Communicator& world) {
      const double ratio = measured_over_planned(world, grid, of, config);
      EXPECT_GT(ratio, 0.75) << name_of(config, grid);
      EXPECT_LT(ratio, 1.25) << name_of(config, grid);
    });
  };
  for (const char* kind : {"gcn", "sage", "gin"}) {
    RunConfig config = test::training_config(kind);
    config.model.hidden = {24};
    config.model.norm = "layer";
    check(directed, config, {});
  }
  RunConfig config = test::training_config("gcn");
  check(store, config, {});
  check(store, config, {.gx = 2, .gy = 1, .gz = 2});
  config.features_on = "host";
  check(store, config, {});
  check(directed, config, {.gx = 1, .gy = 2});
  for (const char* kind : {"sage", "gin"}) {
    RunConfig other = test::training_config(kind);
    other.features_on = "host";
    check(store, other, {});
    other.model.input_dropout = 0;
    check(directed, other, {});
  }
  config.features_on = "device";
  config.model.features = "learned";
  config.model.feature_dim = 20;
  check(store, config, {});
  config.wire = "bf16";
  check(directed, config, {.gx = 1, .gy = 2});
}

/// The same in mode mini: an epoch of steps under way as in a session, and an evaluation.
double mini_over_planned(comm::Communicator& world, const layout::Grid& grid, const graph::Store& store,
                         const RunConfig& config) {
  device::Context context({.threads = 1, .gpu = 0});
  const std::unique_ptr<comm::Communicator> staged = comm::staged_communicator(context, world);
  parallel::ProcessGrid process_grid(*staged, grid);
  MiniTrainer trainer(context, process_grid, store, config);
  for (Index s = 0; s < trainer.steps_per_epoch(); ++s) (void)trainer.step({0, s}, false);
  (void)trainer.evaluate();
  const GpuMemoryPlan plan = plan_gpu_memory(store.info(), grid, config, trainer.spec(),
                                             {.batch_rows = trainer.batch_rows(), .overlaps = false});
  const auto measured = static_cast<double>(context.gpu().memory().peak());
  return measured / static_cast<double>(plan.counted());
}

TEST_F(GpuMemory, ThePlanOfMiniBatchesIsCloseToWhatIsTaken) {
  const test::MemoryStore symmetric = test::training_store(kVertices, true),
                          directed = test::training_store(kVertices, false);
  const auto check = [&](const graph::Store& of, const RunConfig& config, const layout::Grid& grid) {
    comm::run_threads(grid.ranks(), {}, [&](comm::Communicator& world) {
      for (const std::string where : {"cpu", "gpu"}) {
        if (where == "cpu" && config.features_on == "host") continue;
        RunConfig built = config;
        built.mini.build_batches = where;
        const double ratio = mini_over_planned(world, grid, of, built);
        const std::string what = name_of(config, grid) + " depth " +
                                 std::to_string(config.mini.pipeline_depth) + " features on " +
                                 config.features_on + ", batches by " + where;
        EXPECT_GT(ratio, 0.75) << what;
        EXPECT_LT(ratio, 1.25) << what;
      }
    });
  };
  for (const char* place : {"device", "host"})
    for (const char* kind : {"gcn", "sage", "gin"}) {
      const bool gin = kind == std::string("gin"), here = place == std::string("host");
      RunConfig config = test::training_config(kind);
      config.mode = "mini";
      config.features_on = place;
      config.model.norm = kind == std::string("gcn") ? "none" : "layer";
      config.mini.batch_ratio = 0.1;
      check(gin ? directed : symmetric, config, {});
      check(gin ? directed : symmetric, config, here ? layout::Grid{.gx = 2} : kFour);
      config.mini.pipeline_depth = gin ? 0 : 3;
      config.mini.estimator = here ? "unbiased" : "self-normalised";
      config.model.first_aggregation = "recomputed";
      check(here ? directed : symmetric, config, {});
      config.mini.sampled_eval = true;
      check(directed, config, {});
    }
}

/// What the ranks of a job say where each may take `limit` bytes of the GPU.
std::vector<std::string> messages_of(const layout::Grid& grid, const graph::Store& store,
                                     const RunConfig& config, std::vector<std::size_t> limits) {
  std::vector<std::string> messages(limits.size());
  const auto body = [&](comm::Communicator& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    device::Context context({.threads = 1, .gpu = 0, .gpu_memory = limits[rank]});
    const std::unique_ptr<comm::Communicator> staged = comm::staged_communicator(context, world);
    parallel::ProcessGrid process_grid(*staged, grid);
    try {
      Trainer trainer(context, process_grid, store, config);
      (void)trainer.step(0);
    } catch (const base::Error& error) {
      messages[rank] = error.what();
      throw;
    }
  };
  EXPECT_THROW(comm::run_threads(grid.tensor_ranks(), {}, body), base::OutOfMemory);
  return messages;
}

constexpr const char* kFree = " are free";

TEST_F(GpuMemory, SaysWhatWasAskedForAndForWhat) {
  const test::MemoryStore store = test::training_store(kVertices, true);
  const RunConfig config = test::training_config("gcn");
  std::string message = messages_of({}, store, config, {16 << 10}).front();
  EXPECT_THAT(message, testing::StartsWith("shards: no GPU memory for "));
  EXPECT_THAT(message, HasSubstr(" bytes); "));
  EXPECT_THAT(message, HasSubstr(kFree));
  EXPECT_THAT(message, HasSubstr(" of 16.0 KiB"));
  std::vector<std::string> seen;
  for (const std::size_t kib : {150, 220, 400}) {
    message = messages_of({}, store, config, {kib << 10}).front();
    seen.push_back(message.substr(0, message.find(':')));
  }
  EXPECT_THAT(seen, testing::ElementsAre("features", "aggregated features", "activations"));
}

TEST_F(GpuMemory, OneRankThatLacksItEndsAll) {
  const test::MemoryStore store = test::training_store(kVertices, true);
  const RunConfig config = test::training_config("gcn");
  const std::size_t plenty = std::size_t{1} << 30;
  for (const std::size_t kib : {20, 200}) {  // while it loads: agreed on; in a step
    for (const std::string& message : messages_of({.gx = 2}, store, config, {plenty, kib << 10})) {
      EXPECT_THAT(message, HasSubstr("no GPU memory for "));
      EXPECT_THAT(message, HasSubstr(kFree));
    }
  }
}

TEST(GpuMemoryPlan, RemediesTakeLessAndAreSorted) {
  const test::MemoryStore store = test::training_store(kVertices, true);
  RunConfig config = test::training_config("gcn");
  graph::StoreInfo large = store.info();
  large.vertices = 100'000'000, large.edges = 1'600'000'000;
  const layout::Grid grid{.gx = 2, .gy = 2};
  const std::int64_t before = plan_gpu_memory(large, grid, config, make_spec(config, 12, 5)).total();
  const std::int64_t memory = before / 6;
  const std::vector<MemoryRemedy> remedies = memory_remedies(large, grid, config, memory);
  std::vector<std::string> flags;
  for (const MemoryRemedy& r : remedies) {
    flags.push_back(r.flags.substr(0, r.flags.find(" (")));
    EXPECT_LT(r.total, before);
    if (r.flags.starts_with("--ranks")) {
      EXPECT_LE(r.total, memory);
    }
  }
  EXPECT_TRUE(std::ranges::is_sorted(remedies, {}, &MemoryRemedy::total));
  EXPECT_THAT(flags, testing::UnorderedElementsAre("--mode mini --build-batches cpu", "--features-on host",
                                                   testing::StartsWith("--ranks ")));
}

}  // namespace
}  // namespace opx::train
