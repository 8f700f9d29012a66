// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One answer: losses of 20 epochs and every gradient on every grid, in both schemes, equal those of one rank.
#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "comm/communicator.hpp"
#include "parallel/scheme_words.hpp"
#include "support/ranks.hpp"
#include "support/train_case.hpp"
#include "support/train_curve.hpp"
#include "train/trainer.hpp"

namespace opx::train {
namespace {

constexpr Index kVertices = 61;
constexpr double kTolerance = 1e-4;  // relative; what is reached is recorded as a property of each test

using test::Curve;
using test::distance;
using test::loss_distance;

Curve run(comm::Communicator& world, const layout::Grid& grid, const graph::Store& store,
          const RunConfig& config) {
  device::Context context({.threads = 1});
  parallel::ProcessGrid process_grid(world, grid);
  Trainer trainer(context, process_grid, store, config);
  Curve curve;
  (void)trainer.gradients(0);
  curve.first_gradients = test::gradients_of(trainer);
  return test::train_curve(trainer, config.epochs, std::move(curve));
}

Curve reference(const graph::Store& store, const RunConfig& config) {
  const auto self = comm::self_communicator();
  return run(*self, layout::Grid{}, store, config);
}

struct Scenario {
  std::string name;
  bool symmetric = true;
  RunConfig config;
};

class OneAnswer : public testing::TestWithParam<Scenario> {};

TEST_P(OneAnswer, OnEveryGrid) {
  const Scenario& s = GetParam();
  const test::MemoryStore store = test::training_store(kVertices, s.symmetric);
  RunConfig single = s.config;
  single.scheme = "scatter";
  const Curve want = reference(store, single);
  ASSERT_LT(want.losses.back(), want.losses.front());
  double worst_loss = 0, worst_gradient = 0;
  test::for_each_world({1, 2, 3, 4, 6, 8}, [&](comm::Communicator& world) {
    for (const layout::Grid& grid : layout::tensor_grids(world.size())) {
      const Curve got = run(world, grid, store, s.config);
      const double loss = loss_distance(got, want),
                   gradient = distance(got.first_gradients, want.first_gradients);
      EXPECT_LE(loss, kTolerance) << layout::to_string(grid);
      EXPECT_LE(gradient, kTolerance) << layout::to_string(grid);
      EXPECT_NEAR(got.evaluation.loss[1], want.evaluation.loss[1], 1e-3 * std::abs(want.evaluation.loss[1]));
      if (world.rank() == 0)
        worst_loss = std::max(worst_loss, loss), worst_gradient = std::max(worst_gradient, gradient);
    }
  });
  RecordProperty("worst_loss", std::to_string(worst_loss * 1e9) + "e-9");
  std::printf("  %s: worst relative difference of a loss %.1e, of a gradient %.1e\n", s.name.c_str(),
              worst_loss, worst_gradient);
}

Scenario scenario(const std::string& model, const std::string& scheme, bool symmetric,
                  const std::string& norm = "none", bool residual = false,
                  const std::string& features = "given") {
  Scenario s{.name = model + "_" + scheme + (symmetric ? "_symmetric" : "_directed") +
                     (norm == "none" ? "" : "_" + norm) + (residual ? "_residual" : "") +
                     (features == "given" ? "" : "_learned"),
             .symmetric = symmetric,
             .config = test::training_config(model)};
  s.config.scheme = scheme;
  s.config.model.norm = norm;
  s.config.model.residual = residual;
  s.config.model.features = features;
  s.config.model.feature_dim = 16;
  if (scheme == "allreduce") s.config.model.first_aggregation = "recomputed";  // dropout on X in both
  return s;
}

INSTANTIATE_TEST_SUITE_P(Scenarios, OneAnswer,
                         testing::Values(scenario("gcn", "scatter", true), scenario("gcn", "scatter", false),
                                         scenario("sage", "scatter", true),
                                         scenario("sage", "scatter", false), scenario("gin", "scatter", true),
                                         scenario("gin", "scatter", false),
                                         scenario("gcn", "scatter", false, "batch", true),
                                         scenario("sage", "scatter", true, "layer", true),
                                         scenario("gcn", "scatter", true, "none", false, "learned"),
                                         scenario("gcn", "allreduce", true),
                                         scenario("gcn", "allreduce", false)),
                         [](const auto& scenario_info) { return scenario_info.param.name; });

// The norm of the gradient sums the replicated weights once and the learned table over all ranks.
TEST(Clipping, WithLearnedFeaturesIsTheSameOnEveryGrid) {
  const test::MemoryStore store = test::training_store(kVertices, false);
  RunConfig config = scenario("sage", "scatter", false, "none", false, "learned").config;
  const Curve free = reference(store, config);
  config.optimizer.clip = 0.02;
  config.optimizer.kind = "sgd";  // Adam would hide the scale
  config.optimizer.learning_rate = 2;
  config.optimizer.schedule = "cosine";
  config.optimizer.warmup = 3;
  const Curve want = reference(store, config);
  ASSERT_LT(want.losses.back(), want.losses.front());
  ASSERT_GT(loss_distance(free, want), 1e-3);
  test::for_each_world({2, 3, 4}, [&](comm::Communicator& world) {
    for (const layout::Grid& grid : layout::tensor_grids(world.size()))
      EXPECT_LE(loss_distance(run(world, grid, store, config), want), kTolerance) << layout::to_string(grid);
  });
}

TEST(Bfloat16Wire, TrainsCloseToFp32WithHalfTheBytes) {
  const test::MemoryStore store = test::training_store(kVertices, true);
  RunConfig config = test::training_config("gcn");
  const Curve want = reference(store, config);
  config.wire = "bf16";
  test::for_each_world({4}, [&](comm::Communicator& world) {
    for (const layout::Grid& grid : layout::tensor_grids(world.size())) {
      const double distance = loss_distance(run(world, grid, store, config), want);
      EXPECT_LE(distance, 2e-2) << layout::to_string(grid);
      EXPECT_GT(distance, 1e-6) << "the wire was fp32 on " << layout::to_string(grid);
    }
  });
}

TEST(SameRunTwice, IsBitIdentical) {
  const test::MemoryStore store = test::training_store(kVertices, true);
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    for (const char* model : {"gcn", "sage", "gin"}) {
      RunConfig config = test::training_config(model);
      config.model.norm = "batch";
      const layout::Grid grid =
          world.size() == 4 ? layout::Grid{2, 1, 2, 1} : layout::tensor_grids(world.size()).back();
      const Curve a = run(world, grid, store, config), b = run(world, grid, store, config);
      EXPECT_EQ(a.losses, b.losses) << model;
      EXPECT_EQ(a.first_gradients, b.first_gradients) << model;
      EXPECT_EQ(a.last_values, b.last_values) << model;
    }
  });
}

TEST(Bytes, EqualTheClosedFormulas) {
  const test::MemoryStore store = test::training_store(kVertices, true);
  test::for_each_world({2, 4, 6, 8}, [&](comm::Communicator& world) {
    for (const char* scheme : {"scatter", "allreduce"}) {
      RunConfig config = test::training_config("gcn");
      config.scheme = scheme;
      config.model.input_dropout = 0;
      for (const layout::Grid& grid : layout::tensor_grids(world.size())) {
        device::Context context({.threads = 1});
        parallel::ProcessGrid process_grid(world, grid);
        Trainer trainer(context, process_grid, store, config);
        (void)trainer.gradients(0);  // the all-reduce scheme fills its cache here
        world.traffic().reset();
        (void)trainer.gradients(1);
        const parallel::SchemeModel model{
            .vertices = kVertices, .widths = {12, 16, 16, 5}, .allreduce_cached_first = true};
        const bool scatter = config.scheme == "scatter";
        const Index words = scatter ? parallel::scatter_words(model, grid, process_grid.coord())
                                    : parallel::allreduce_words(model, grid, process_grid.coord());
        const auto bytes = [&](comm::CommPurpose p) { return world.traffic().bytes(p); };
        EXPECT_EQ(bytes(comm::CommPurpose::kForward) + bytes(comm::CommPurpose::kBackward), 4 * words)
            << scheme << " " << layout::to_string(grid);
        EXPECT_EQ(bytes(comm::CommPurpose::kGradient), 4 * parallel::gradient_words(model, world.size()));
      }
    }
  });
}

TEST(Metrics, OfSeveralTasksAreTheSameOnEveryGrid) {
  test::MemoryStore store = test::training_store(kVertices, false);
  test::Dense targets(kVertices, 3);
  for (Index i = 0; i < kVertices; ++i)
    for (Index c = 0; c < 3; ++c) {
      const double u = test::uniform(77, i, c);
      targets(i, c) = u > 0.8 ? std::nan("") : u > 0 ? 1 : 0;
    }
  store.set_targets(targets);
  RunConfig config = test::training_config("gcn");
  config.epochs = 3;
  config.model.features = "learned";
  const Curve want = reference(store, config);
  ASSERT_TRUE(std::isfinite(want.evaluation.metrics[2].at("rocauc")));
  test::for_each_world({2, 3, 4, 6}, [&](comm::Communicator& world) {
    for (const layout::Grid& grid : layout::tensor_grids(world.size())) {
      const Curve got = run(world, grid, store, config);
      EXPECT_LE(loss_distance(got, want), kTolerance);
      for (std::size_t s = 0; s < 3; ++s)
        for (const auto& [name, value] : want.evaluation.metrics[s])
          EXPECT_NEAR(got.evaluation.metrics[s].at(name), value, 1e-9)
              << name << " " << layout::to_string(grid);
    }
  });
}

TEST(Refusals, SayWhy) {
  const test::MemoryStore store = test::training_store(kVertices, true);
  const auto self = comm::self_communicator();
  const auto refuse = [&](RunConfig config) {
    EXPECT_THROW((void)run(*self, {}, store, config), base::InvalidArgument);
  };
  RunConfig config = test::training_config("sage");
  config.scheme = "allreduce";
  refuse(config);
  config = test::training_config("gcn");
  config.metric = "micro_f1_topk";
  refuse(config);
  test::MemoryStore bare = test::random_store({.vertices = 20, .seed = 1});
  EXPECT_THROW((void)run(*self, {}, bare, test::training_config("gcn")), base::InputError) << "no labels";
}

TEST(Replicas, AreRefusedForTheFullGraph) {
  const test::MemoryStore store = test::training_store(kVertices, true);
  test::for_each_world({2}, [&](comm::Communicator& world) {
    const layout::Grid grid{1, 1, 1, world.size()};
    EXPECT_THROW((void)run(world, grid, store, test::training_config("gcn")), base::InvalidArgument);
  });
}

TEST(BrokenStore, EndsEveryRankWithOneError) {
  test::MemoryStore store = test::training_store(kVertices, true);
  store.fail_with("damaged");
  test::for_each_world({2, 4}, [&](comm::Communicator& world) {
    EXPECT_THROW(
        (void)run(world, layout::tensor_grids(world.size()).front(), store, test::training_config("gcn")),
        base::Error);
  });
}

}  // namespace
}  // namespace opx::train
