// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Mini-batches have one answer: losses and gradients of every step equal those of a dense model in double on
// the naively induced subgraph, and every grid of tensor ranks and replicas with the same sub-batches a step
// follows the same curve.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include <gtest/gtest.h>

#include "parallel/scheme_words.hpp"
#include "support/ranks.hpp"
#include "support/reference_model.hpp"
#include "support/train_case.hpp"
#include "support/train_curve.hpp"
#include "train/memory_model.hpp"
#include "train/mini_trainer.hpp"
#include "train/trainer.hpp"

namespace opx::train {
namespace {

constexpr Index kVertices = 120, kVirtualBlocks = 8, kPerStep = 2;
constexpr double kTolerance = 1e-4;  // relative; what is reached is printed

test::MemoryStore mini_store(bool symmetric) {
  test::MemoryStore store = test::training_store(kVertices, symmetric);
  store.set_virtual_blocks(kVirtualBlocks);
  std::vector<std::int32_t> parts(kVertices);  // for sampler cluster: 20 parts, 2 of them empty
  for (Index v = 0; v < kVertices; ++v)
    parts[static_cast<std::size_t>(v)] = static_cast<std::int32_t>(v * 7 % 18);
  store.set_parts(parts, 20);
  return store;
}

RunConfig mini_config(const std::string& model, const std::string& estimator = "unbiased",
                      const std::string& sampler = "stratified") {
  RunConfig config = test::training_config(model);
  config.mode = "mini";
  config.mini.batch_ratio = 0.2;
  config.mini.sampler = sampler;
  config.mini.estimator = estimator;
  config.mini.accumulate = kPerStep;
  config.model.first_aggregation = "recomputed";
  config.epochs = 4;
  return config;
}

RunConfig with_cache(RunConfig config) {
  config.model.first_aggregation = "cached";
  return config;
}

/// The same sub-batches a step whatever the replicas.
RunConfig for_grid(RunConfig config, const layout::Grid& grid) {
  config.mini.accumulate = static_cast<int>(kPerStep / grid.gd);
  return config;
}

using test::Curve;
using test::distance;
using test::loss_distance;

Curve run(comm::Communicator& world, const layout::Grid& grid, const graph::Store& store,
          const RunConfig& config) {
  device::Context context({.threads = 1});
  parallel::ProcessGrid process_grid(world, grid);
  MiniTrainer trainer(context, process_grid, store, config);
  return test::train_curve(trainer, config.epochs);
}

Curve reference(const graph::Store& store, const RunConfig& config) {
  const auto self = comm::self_communicator();
  return run(*self, layout::Grid{}, store, config);
}

std::vector<layout::Grid> grids_of(int ranks) {
  std::vector<layout::Grid> grids;
  for (int replicas = 1; replicas <= kPerStep; replicas *= 2)
    for (layout::Grid grid :
         ranks % replicas == 0 ? layout::tensor_grids(ranks / replicas) : std::vector<layout::Grid>{}) {
      grid.gd = replicas;
      if (kVirtualBlocks % grid.tensor_ranks() == 0) grids.push_back(grid);
    }
  return grids;
}

struct Scenario {
  std::string name;
  bool symmetric = true;
  RunConfig config;
};

Scenario scenario(const std::string& model, const std::string& estimator, bool symmetric,
                  const std::string& norm = "none", const std::string& sampler = "stratified") {
  Scenario s{.name = model + (estimator == "unbiased" ? "_unbiased" : "_selfnormalised") +
                     (symmetric ? "_symmetric" : "_directed") + (norm == "none" ? "" : "_" + norm) +
                     (sampler == "stratified" ? "" : "_" + sampler),
             .symmetric = symmetric,
             .config = mini_config(model, estimator, sampler)};
  s.config.model.norm = norm;
  std::replace(s.name.begin(), s.name.end(), '-', '_');
  return s;
}

/// The same with an exact first aggregation; a width that the first layer would transform first.
Scenario cached(Scenario s, int layers = 3, bool residual = false) {
  s.name += "_cached" + std::to_string(layers) + (residual ? "_residual" : "");
  s.config = with_cache(s.config);
  s.config.model.layers = layers;
  s.config.model.hidden = {residual ? 12 : 8};
  s.config.model.residual = residual;
  return s;
}

// ---------------------------------------------------------------- against the dense model

test::Factors factors_of(const RunConfig& config) {
  return config.model.kind == "gcn"    ? test::Factors::kSymmetric
         : config.model.kind == "sage" ? test::Factors::kRow
                                       : test::Factors::kNone;
}

/// A of a sub-batch in the places of the whole graph: zero where a vertex is not in it.
test::Dense induced(const test::MemoryStore& store, const RunConfig& config,
                    const sampling::Selection& selection) {
  const test::Dense full = store.normalised(factors_of(config), config.model.kind == "gcn");
  const bool own_sums = config.mini.estimator == "self-normalised";
  test::Dense a(full.rows, full.cols);
  for (std::size_t i = 0; i < selection.position.size(); ++i) {
    const Index v = selection.position[i];
    double whole = 0, sampled = 0;
    for (Index u = 0; u < full.cols; ++u) whole += u == v ? 0 : full(v, u);
    for (std::size_t j = 0; j < selection.position.size(); ++j)
      sampled += i == j ? 0 : full(v, selection.position[j]);
    for (std::size_t j = 0; j < selection.position.size(); ++j) {
      const bool same = selection.stratum[i] == selection.stratum[j];
      const double unbiased = static_cast<double>(same ? selection.same[j] : selection.other[j]);
      const double factor = i == j ? 1 : own_sums ? (sampled > 0 ? whole / sampled : 0) : unbiased;
      const Index u = selection.position[j];
      a(v, u) = full(v, u) * factor;
    }
  }
  return a;
}

/// Losses of steps as the definition says: weighted sums over all sub-batches of a step, then divided.
class DenseSteps {
 public:
  DenseSteps(const test::MemoryStore& store, const RunConfig& config, const model::ModelSpec& spec)
      : store_(store), config_(config), spec_(spec), features_(kVertices, spec.widths.front()) {
    device::Context context({.threads = 1});
    tensor::Matrix<float> x(context, kVertices, features_.cols);
    store.read_features({0, kVertices}, x.view());
    std::copy(x.span().begin(), x.span().end(), features_.data.begin());
    labels_.resize(kVertices), splits_.resize(kVertices);
    store.read_labels({0, kVertices}, labels_);
    store.read_splits({0, kVertices}, splits_);
    const std::vector<int> blocks{0};
    sampler_ = sampling::make_sampler(store, layout::Grid{}, blocks, sampler_options(config, kVertices));
  }

  [[nodiscard]] double loss(const test::NamedParameters& p, TrainerBase::At at) {
    double sum = 0, weight = 0;
    const Index begin = at.step * kPerStep, end = std::min(begin + kPerStep, sampler_->batches());
    for (Index b = begin; b < end; ++b) {
      sampling::Selection s;
      sampler_->draw(at.epoch, b, s);
      const auto number = static_cast<std::uint32_t>(at.epoch * sampler_->batches() + b);
      const test::Dense whole = store_.normalised(factors_of(config_), config_.model.kind == "gcn");
      const test::ReferenceModel reference(spec_, induced(store_, config_, s), whole);
      const test::Dense logits = reference.forward(p, features_, number);
      for (std::size_t i = 0; i < s.position.size(); ++i) {
        const auto v = static_cast<std::size_t>(s.position[i]);
        if (splits_[v] != graph::Split::kTrain || labels_[v] < 0) continue;
        double total = 0;
        for (Index c = 0; c < logits.cols; ++c) total += std::exp(logits(s.position[i], c));
        const auto w = static_cast<double>(s.weight[i]);
        sum += w * (std::log(total) - logits(s.position[i], labels_[v]));
        weight += w;
      }
    }
    return sum / weight;
  }

 private:
  const test::MemoryStore& store_;
  const RunConfig& config_;
  model::ModelSpec spec_;
  test::Dense features_;
  std::vector<std::int32_t> labels_;
  std::vector<graph::Split> splits_;
  std::unique_ptr<sampling::Sampler> sampler_;
};

test::NamedParameters values_of(model::Parameters& parameters) {
  test::NamedParameters out;
  for (const auto& entry : parameters.entries()) {
    const auto v = parameters.value(entry);
    test::Dense d(v.rows, v.cols);
    std::copy(v.data, v.data + v.size(), d.data.begin());
    out[entry.spec.name] = d;
  }
  return out;
}

test::NamedParameters moved(test::NamedParameters p, const test::NamedParameters& direction, double by) {
  for (auto& [name, d] : p)
    for (std::size_t e = 0; e < d.data.size(); ++e) d.data[e] += by * direction.at(name).data[e];
  return p;
}

class AgainstDense : public testing::TestWithParam<Scenario> {};

/// A row whose inputs are all cut off by the ReLU before is on the kink of the next one where the bias is 0,
/// and there a difference quotient is not the gradient.
void move_biases_off_zero(model::Parameters& parameters) {
  for (const auto& entry : parameters.entries()) {
    if (!entry.spec.trained || !entry.spec.name.ends_with("bias")) continue;
    const auto bias = parameters.value(entry);
    for (Index i = 0; i < bias.size(); ++i)
      bias.data[i] = (i % 2 == 0 ? 0.02F : -0.02F) * static_cast<float>(1 + i % 3);
  }
}

// SGD with rate 1 shows the gradient: what a step takes off. Against the difference quotient along it.
TEST_P(AgainstDense, LossesAndGradientsOfEveryStep) {
  RunConfig config = GetParam().config;
  config.optimizer.kind = "sgd";
  config.optimizer.learning_rate = 1;
  config.optimizer.clip = 0;
  const test::MemoryStore store = mini_store(GetParam().symmetric);
  const auto self = comm::self_communicator();
  device::Context context({.threads = 1});
  parallel::ProcessGrid grid(*self, layout::Grid{});
  MiniTrainer trainer(context, grid, store, config);
  DenseSteps dense(store, config, trainer.spec());
  double worst = 0;
  model::Parameters& parameters = trainer.network().parameters();
  move_biases_off_zero(parameters);
  for (int epoch = 0; epoch < 2; ++epoch)
    for (Index s = 0; s < trainer.steps_per_epoch(); ++s) {
      const TrainerBase::At at{epoch, s};
      const test::NamedParameters before = values_of(parameters);
      const TrainerBase::Step step = trainer.step(at, false);
      const double want = dense.loss(before, at);
      EXPECT_NEAR(step.loss, want, 2e-5 * want) << "epoch " << epoch << " step " << s;
      worst = std::max(worst, std::abs(step.loss - want) / want);
      const test::NamedParameters gradient = moved(before, values_of(parameters), -1);
      double square = 0;
      for (const auto& entry : parameters.entries())
        if (entry.spec.trained)
          for (const double g : gradient.at(entry.spec.name).data) square += g * g;
      EXPECT_NEAR(step.gradient_norm, std::sqrt(square), 1e-3 * std::sqrt(square));
      test::NamedParameters direction = gradient;
      for (const auto& entry : parameters.entries())
        if (!entry.spec.trained)
          for (double& d : direction.at(entry.spec.name).data) d = 0;
      constexpr double kMove = 1e-6;
      const double slope = (dense.loss(moved(before, direction, kMove), at) -
                            dense.loss(moved(before, direction, -kMove), at)) /
                           (2 * kMove);
      EXPECT_NEAR(slope, square, 2e-3 * square) << "epoch " << epoch << " step " << s;
    }
  std::printf("  %s: worst relative difference of a loss from the dense model %.1e\n",
              GetParam().name.c_str(), worst);
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, AgainstDense,
    testing::Values(scenario("gcn", "unbiased", true), scenario("gcn", "self-normalised", true),
                    scenario("gcn", "self-normalised", false, "layer"), scenario("sage", "unbiased", false),
                    scenario("sage", "self-normalised", true), scenario("gin", "unbiased", true, "layer"),
                    scenario("gin", "self-normalised", false, "layer"),
                    scenario("gcn", "unbiased", true, "none", "uniform"),
                    scenario("gcn", "unbiased", true, "none", "degree"),
                    scenario("sage", "unbiased", false, "none", "train"),
                    scenario("gcn", "unbiased", true, "none", "cluster"),
                    scenario("gcn", "unbiased", true, "none", "saint-walk"),
                    cached(scenario("gcn", "unbiased", false)),
                    cached(scenario("gcn", "self-normalised", false, "layer"), 4, true),
                    cached(scenario("gcn", "unbiased", true), 1),
                    cached(scenario("sage", "unbiased", false), 2),
                    cached(scenario("sage", "self-normalised", true)),
                    cached(scenario("gin", "self-normalised", true, "layer"), 2)),
    [](const auto& scenario_info) { return scenario_info.param.name; });

// ---------------------------------------------------------------- on every grid

class MiniOneAnswer : public testing::TestWithParam<Scenario> {};

TEST_P(MiniOneAnswer, OnEveryGrid) {
  const Scenario& s = GetParam();
  const test::MemoryStore store = mini_store(s.symmetric);
  const Curve want = reference(store, s.config);
  double worst_loss = 0, worst_gradient = 0, worst_value = 0;
  test::for_each_world({1, 2, 4, 8, 16}, [&](comm::Communicator& world) {
    for (const layout::Grid& grid : grids_of(world.size())) {
      const Curve got = run(world, grid, store, for_grid(s.config, grid));
      const double loss = loss_distance(got, want),
                   gradient = distance(got.first_gradients, want.first_gradients),
                   value = distance(got.last_values, want.last_values);
      EXPECT_LE(loss, kTolerance) << layout::to_string(grid);
      EXPECT_LE(gradient, kTolerance) << layout::to_string(grid);
      EXPECT_LE(value, 1e-2) << layout::to_string(grid);  // Adam divides by small moments
      EXPECT_NEAR(got.evaluation.loss[1], want.evaluation.loss[1], 1e-3 * std::abs(want.evaluation.loss[1]));
      EXPECT_EQ(got.counts.sub_batches, want.counts.sub_batches) << layout::to_string(grid);
      EXPECT_EQ(got.counts.vertices, want.counts.vertices) << layout::to_string(grid);
      EXPECT_EQ(got.counts.sampled_degree, want.counts.sampled_degree) << layout::to_string(grid);
      EXPECT_EQ(got.counts.isolated_rows, want.counts.isolated_rows) << layout::to_string(grid);
      if (world.rank() != 0) continue;
      worst_loss = std::max(worst_loss, loss), worst_gradient = std::max(worst_gradient, gradient);
      worst_value = std::max(worst_value, value);
    }
  });
  std::printf(
      "  %s: worst relative difference of a loss %.1e, of a gradient %.1e, of a parameter at the end %.1e\n",
      s.name.c_str(), worst_loss, worst_gradient, worst_value);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, MiniOneAnswer,
                         testing::Values(scenario("gcn", "unbiased", true),
                                         scenario("gcn", "self-normalised", false),
                                         scenario("sage", "unbiased", false, "batch"),
                                         scenario("sage", "self-normalised", true),
                                         scenario("gin", "unbiased", true, "layer"),
                                         scenario("gin", "self-normalised", true, "batch"),
                                         scenario("gcn", "unbiased", true, "none", "uniform"),
                                         cached(scenario("gcn", "unbiased", true)),
                                         cached(scenario("gcn", "self-normalised", false), 2),
                                         cached(scenario("gcn", "self-normalised", true), 5, true),
                                         cached(scenario("gcn", "self-normalised", true), 1),
                                         cached(scenario("sage", "unbiased", false, "batch"), 2),
                                         cached(scenario("sage", "self-normalised", true)),
                                         cached(scenario("gin", "self-normalised", true, "batch"), 2)),
                         [](const auto& scenario_info) { return scenario_info.param.name; });

// ---------------------------------------------------------------- rows that no loss reads

class LossRowsAlone : public testing::TestWithParam<Scenario> {};

// A third of the vertices train, none of them in the second half: blocks differ.
test::MemoryStore few_labels(bool symmetric) {
  test::MemoryStore store = mini_store(symmetric);
  std::vector<graph::Split> splits(kVertices, graph::Split::kTest);
  for (std::size_t v = 0; v < kVertices; ++v)
    if (v < kVertices / 2 ? v % 3 != 0 : v == 100) splits[v] = graph::Split::kTrain;
  store.set_splits(std::move(splits));
  return store;
}

TEST_P(LossRowsAlone, GiveTheLossesAndGradientsOfAllRows) {
  const Scenario& s = GetParam();
  const test::MemoryStore store = few_labels(s.symmetric);
  RunConfig all = s.config;
  all.mini.all_rows = true;
  const Curve want = reference(store, all);
  double worst_loss = 0, worst_gradient = 0;
  test::for_each_world({1, 2, 4, 8}, [&](comm::Communicator& world) {
    for (const layout::Grid& grid : grids_of(world.size())) {
      const Curve got = run(world, grid, store, for_grid(s.config, grid));
      const double loss = loss_distance(got, want),
                   gradient = distance(got.first_gradients, want.first_gradients);
      EXPECT_LE(loss, kTolerance) << layout::to_string(grid);
      EXPECT_LE(gradient, kTolerance) << layout::to_string(grid);
      EXPECT_EQ(got.counts.vertices, want.counts.vertices) << layout::to_string(grid);
      if (s.config.model.layers - (s.config.model.first_aggregation == "cached" ? 1 : 0) == 1) {
        EXPECT_LT(got.counts.degree_rows, want.counts.degree_rows);
      }
      if (world.rank() == 0)
        worst_loss = std::max(worst_loss, loss), worst_gradient = std::max(worst_gradient, gradient);
    }
  });
  std::printf("  %s: worst relative difference from all rows of a loss %.1e, of a gradient %.1e\n",
              s.name.c_str(), worst_loss, worst_gradient);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, LossRowsAlone,
                         testing::Values(scenario("gcn", "unbiased", true),
                                         scenario("sage", "self-normalised", false, "layer"),
                                         scenario("gin", "self-normalised", true, "batch"),
                                         cached(scenario("gcn", "unbiased", false), 2),
                                         cached(scenario("sage", "unbiased", true), 2),
                                         cached(scenario("gin", "unbiased", true), 2),
                                         cached(scenario("gcn", "self-normalised", true, "batch"), 2),
                                         cached(scenario("sage", "self-normalised", false), 2),
                                         cached(scenario("gin", "self-normalised", true, "layer"), 2),
                                         cached(scenario("sage", "unbiased", true, "none", "train"), 2),
                                         cached(scenario("gcn", "self-normalised", true), 5, true)),
                         [](const auto& scenario_info) { return scenario_info.param.name; });

// ---------------------------------------------------------------- the rest

TEST(MiniBatch, OfAllVerticesIsTheFullGraph) {
  const test::MemoryStore store = mini_store(true);
  RunConfig config = mini_config("gcn");
  config.mini.batch_ratio = 1;
  config.mini.accumulate = 1;
  config.model.norm = "batch";
  for (const char* first : {"recomputed", "cached"}) {
    config.model.first_aggregation = first;
    const Curve got = reference(store, config);
    ASSERT_EQ(got.losses.size(), 4U);
    const auto self = comm::self_communicator();
    device::Context context({.threads = 1});
    parallel::ProcessGrid grid(*self, layout::Grid{});
    RunConfig full = config;
    full.mode = "full";
    Trainer trainer(context, grid, store, full);
    for (int epoch = 0; epoch < 4; ++epoch)
      EXPECT_NEAR(trainer.step(epoch).loss, got.losses[static_cast<std::size_t>(epoch)], 1e-5);
    EXPECT_NEAR(trainer.evaluate().loss[1], got.evaluation.loss[1], 1e-4);
  }
}

TEST(MiniBatch, SameRunTwiceIsBitIdenticalWhateverThePipeline) {
  const test::MemoryStore store = mini_store(true);
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    RunConfig config = mini_config("sage", "self-normalised");
    config.model.norm = "batch";
    const layout::Grid grid = world.size() == 1 ? layout::Grid{} : grids_of(world.size()).back();
    config = for_grid(config, grid);
    const Curve a = run(world, grid, store, config);
    for (const int depth : {0, 3}) {
      config.mini.pipeline_depth = depth;
      const Curve b = run(world, grid, store, config);
      EXPECT_EQ(a.losses, b.losses);
      EXPECT_EQ(a.last_values, b.last_values);
      EXPECT_EQ(a.evaluation.loss, b.evaluation.loss);
    }
  });
}

TEST(MiniBatch, Bfloat16WireTrainsCloseToFp32) {
  const test::MemoryStore store = mini_store(true);
  test::for_each_world({4}, [&](comm::Communicator& world) {
    for (const char* estimator : {"unbiased", "self-normalised"}) {
      RunConfig config = mini_config("gcn", estimator);
      const Curve want = reference(store, config);
      config.wire = "bf16";
      for (const layout::Grid& grid : grids_of(world.size())) {
        const double far = loss_distance(run(world, grid, store, for_grid(config, grid)), want);
        EXPECT_LE(far, 3e-2) << layout::to_string(grid) << " " << estimator;
        if (grid.tensor_ranks() > 1) {  // else nothing travels
          EXPECT_GT(far, 1e-6) << "the wire was fp32 on " << layout::to_string(grid);
        }
      }
    }
  });
}

/// The most training vertices that a block of the rank's row slab of `layer` gives to a sub-batch, at least
/// one.
Index loss_rows(const graph::Store& store, const RunConfig& config, const layout::Grid& grid,
                layout::Coord coord, Index layer, Index sub_batch) {
  std::vector<int> blocks(static_cast<std::size_t>(grid.tensor_ranks()));
  for (std::size_t b = 0; b < blocks.size(); ++b) blocks[b] = static_cast<int>(b);
  std::vector<graph::Split> splits(kVertices);
  store.read_splits({0, kVertices}, splits);
  sampling::Selection drawn;
  sampling::make_sampler(store, grid, blocks, sampler_options(config, kVertices))->draw(0, sub_batch, drawn);
  const layout::Roles roles = layout::roles_of(layer);
  Index most = 1;
  for (const int b : layout::row_blocks(grid, roles, coord[roles.r])) {
    const std::span<const std::int32_t> of_block = drawn.block(b);
    most = std::max<Index>(most, std::count_if(of_block.begin(), of_block.end(), [&](std::int32_t v) {
                             return splits[static_cast<std::size_t>(v)] == graph::Split::kTrain;
                           }));
  }
  return most;
}

// Two replicas: twice the ranks, the same sub-batches; a step's gradients cross the world once.
TEST(MiniBatch, BytesOfAStepAreThoseOfItsBatches) {
  const test::MemoryStore store = mini_store(true);
  const auto check = [&](comm::Communicator& world, bool once, bool all_rows) {
    for (const layout::Grid& grid : grids_of(world.size())) {
      RunConfig config = for_grid(mini_config("gcn"), grid);
      config.mini.all_rows = all_rows;
      if (once) config = with_cache(config);
      config.mini.batch_ratio = 0.25;  // 4 sub-batches of 30, in 8 blocks of 15
      device::Context context({.threads = 1});
      parallel::ProcessGrid process_grid(world, grid);
      MiniTrainer trainer(context, process_grid, store, config);
      (void)trainer.step({0, 0}, false);
      world.traffic().reset();
      (void)trainer.step({0, 1}, false);
      const Index rows = trainer.sampler().most_block_rows();
      Index words = 0;
      const std::array<Index, 4> widths = {12, 16, 16, 5};
      for (Index l = 0; l < 3 * config.mini.accumulate; ++l) {  // layer l % 3 of each sub-batch of the step
        const Index sub_batch = kPerStep + process_grid.coord().d * config.mini.accumulate + l / 3;
        const auto i = static_cast<std::size_t>(l % 3);
        const Index given =
            all_rows || l % 3 < 2 ? rows : loss_rows(store, config, grid, process_grid.coord(), 2, sub_batch);
        const Index width = std::min(widths[i], widths[i + 1]);
        const layout::Roles roles = layout::roles_of(l);
        const auto add = [&](bool backward) {
          words += layout::aggregate_words(grid, roles, process_grid.coord(), rows, width, backward, given)
                       .total();
        };
        if (l % 3 > 0 || !once) add(false);
        if (l % 3 > 0) add(true);
      }
      const auto bytes = [&](comm::CommPurpose p) { return world.traffic().bytes(p); };
      EXPECT_EQ(bytes(comm::CommPurpose::kForward) + bytes(comm::CommPurpose::kBackward), 4 * words)
          << layout::to_string(grid);
      const Index bucket = std::ssize(trainer.network().parameters().bucket());
      EXPECT_EQ(bytes(comm::CommPurpose::kGradient),
                4 * ceil_div(2 * bucket * (world.size() - 1), world.size()))
          << layout::to_string(grid);
      EXPECT_EQ(bytes(comm::CommPurpose::kLoss) + bytes(comm::CommPurpose::kMetric), 0)
          << "all in the bucket";
    }
  };
  test::for_each_world({4, 8}, [&](comm::Communicator& world) {
    check(world, false, true);
    check(world, true, true);
    check(world, true, false);
  });
}

TEST(MiniBatch, NoBufferGrowsAfterTheFirstEpoch) {
  const test::MemoryStore store = mini_store(true);
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    for (const char* sampler : {"stratified", "uniform"}) {
      const layout::Grid grid = grids_of(world.size()).back();
      RunConfig config = for_grid(mini_config("gcn", "self-normalised", sampler), grid);
      if (*sampler == 'u') config = with_cache(config);
      device::Context context({.threads = 1});
      parallel::ProcessGrid process_grid(world, grid);
      MiniTrainer trainer(context, process_grid, store, config);
      std::size_t after_first = 0;
      for (int epoch = 0; epoch < 6; ++epoch) {
        for (Index s = 0; s < trainer.steps_per_epoch(); ++s) (void)trainer.step({epoch, s}, false);
        (void)trainer.evaluate();
        if (epoch == 0) after_first = context.memory().now(), context.memory().reset_peak();
      }
      EXPECT_EQ(context.memory().now(), after_first) << sampler;
    }
  });
}

TEST(MiniBatch, SampledEvaluationIsExactWhereABatchIsTheGraph) {
  const test::MemoryStore store = mini_store(true);
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    const layout::Grid grid = layout::tensor_grids(world.size()).back();
    RunConfig config = mini_config("gcn");
    config.mini.batch_ratio = 1, config.mini.accumulate = 1, config.epochs = 1;
    const Curve full = run(world, grid, store, config);
    config.mini.sampled_eval = true;
    const Curve whole = run(world, grid, store, config);
    for (std::size_t s = 0; s < 3; ++s) {
      EXPECT_NEAR(whole.evaluation.loss[s], full.evaluation.loss[s], 1e-5);
      EXPECT_EQ(whole.evaluation.metrics[s].at("accuracy"), full.evaluation.metrics[s].at("accuracy"));
    }
    config.mini.batch_ratio = 0.2;
    const Curve sampled = run(world, grid, store, config);
    EXPECT_TRUE(std::isfinite(sampled.evaluation.loss[1]));
    EXPECT_GT(std::abs(sampled.evaluation.loss[1] - full.evaluation.loss[1]), 1e-6);
  });
}

TEST(MiniBatch, RefusesWhatCannotBe) {
  const test::MemoryStore store = mini_store(true);
  const auto refuse = [&](comm::Communicator& world, const layout::Grid& grid, const RunConfig& config) {
    EXPECT_THROW((void)run(world, grid, store, config), base::InvalidArgument);
  };
  test::for_each_world({1, 2}, [&](comm::Communicator& world) {
    const layout::Grid grid{1, 1, world.size(), 1};
    for (const double ratio : {0.0, -0.5, 1.5, 1e-6}) {
      RunConfig config = mini_config("gcn");
      config.mini.batch_ratio = ratio;
      refuse(world, grid, config);
    }
    RunConfig config = mini_config("gcn");
    config.mini.batch_size = kVertices + 1;
    refuse(world, grid, config);
    config = mini_config("gcn");
    config.mini.accumulate = 6;  // an epoch has five
    refuse(world, grid, config);
    config = mini_config("gcn");
    config.model.features = "learned";
    refuse(world, grid, config);
    config = mini_config("gcn");
    config.scheme = "allreduce";
    refuse(world, grid, config);
    refuse(world, {1, 1, 1, world.size() + 1}, mini_config("gcn"));
    test::MemoryStore unlabelled = mini_store(true);
    unlabelled.set_splits(std::vector<graph::Split>(kVertices, graph::Split::kValid));
    EXPECT_THROW((void)run(world, grid, unlabelled, mini_config("gcn")), base::InputError);
    test::MemoryStore damaged = mini_store(true);
    damaged.fail_with("damaged");
    EXPECT_THROW((void)run(world, {1, 1, 1, world.size()}, damaged, mini_config("gcn")), base::Error);
  });
}

// Rows are scaled by their sums, which mean nothing where weights cancel; only some ranks hold the one edge.
TEST(MiniBatch, SelfNormalisedRowsNeedWeightsThatAdd) {
  test::MemoryStore store(kVertices, {{.dst = 1, .src = 0, .value = -1}, {.dst = 5, .src = 70}}, true);
  store.set_virtual_blocks(kVirtualBlocks);
  store.set_features(test::random_dense(kVertices, 12, 5));
  store.set_labels(std::vector<std::int32_t>(kVertices, 1), 5);
  store.set_splits(std::vector<graph::Split>(kVertices, graph::Split::kTrain));
  test::for_each_world({1, 2, 4}, [&](comm::Communicator& world) {
    const layout::Grid grid{world.size(), 1, 1, 1};
    EXPECT_THROW((void)run(world, grid, store, mini_config("gin", "self-normalised")), base::InvalidArgument);
    EXPECT_TRUE(std::isfinite(run(world, grid, store, mini_config("gin")).losses.front()));
  });
}

// One training vertex: most steps have none, and change nothing.
TEST(MiniBatch, AStepWithoutTrainingVerticesChangesNothing) {
  test::MemoryStore store = mini_store(true);
  std::vector<graph::Split> splits(kVertices, graph::Split::kNone);
  splits[40] = graph::Split::kTrain;
  store.set_splits(splits);
  test::for_each_world({1, 2, 4}, [&](comm::Communicator& world) {
    for (const layout::Grid& grid : grids_of(world.size())) {
      RunConfig config = for_grid(mini_config("gcn"), grid);
      config.model.norm = "batch";
      device::Context context({.threads = 1});
      parallel::ProcessGrid process_grid(world, grid);
      MiniTrainer trainer(context, process_grid, store, config);
      const std::span<const float> statistics = trainer.network().parameters().statistics();
      Index skipped = 0;
      for (Index s = 0; s < trainer.steps_per_epoch(); ++s) {
        const std::vector<float> running(statistics.begin(), statistics.end());
        const test::NamedParameters before = values_of(trainer.network().parameters());
        const TrainerBase::Step step = trainer.step({0, s}, false);
        const test::NamedParameters after = values_of(trainer.network().parameters());
        const bool same = before.at("layers.2.bias").data == after.at("layers.2.bias").data;
        EXPECT_EQ(same, step.weight == 0);
        EXPECT_EQ(std::equal(running.begin(), running.end(), statistics.begin()), step.weight == 0);
        skipped += step.weight == 0 ? 1 : 0;
      }
      EXPECT_EQ(skipped, trainer.steps_per_epoch() - 1);
      EXPECT_EQ(trainer.counts().skipped_steps, skipped);
      const Evaluation e = trainer.evaluate();
      EXPECT_TRUE(std::isnan(e.metrics[1].at("accuracy"))) << "an empty split has no metric";
    }
  });
}

// Most of the parts are empty, so some sub-batches of `cluster` have no vertex at all.
TEST(MiniBatch, ASubBatchWithoutVerticesChangesNothing) {
  test::MemoryStore store = mini_store(true);
  std::vector<std::int32_t> parts(kVertices);
  for (Index v = 0; v < kVertices; ++v) parts[static_cast<std::size_t>(v)] = v % 2 == 0 ? 3 : 8;
  store.set_parts(parts, 10);
  for (const char* estimator : {"unbiased", "self-normalised"}) {
    RunConfig config = mini_config("gcn", estimator, "cluster");
    config.mini.batch_ratio = 0.1;
    config.model.norm = "batch";
    for (const bool exact : {false, true}) {
      if (exact) config = with_cache(config);
      const Curve want = reference(store, config);
      EXPECT_EQ(want.counts.vertices, config.epochs * kVertices);
      EXPECT_GE(want.counts.skipped_steps, config.epochs * 3) << "two of ten sub-batches have vertices";
      for (const auto& [name, values] : want.last_values)
        for (const float v : values) ASSERT_TRUE(std::isfinite(v)) << name;
      test::for_each_world({1, 2, 4, 8}, [&](comm::Communicator& world) {
        for (const layout::Grid& grid : grids_of(world.size())) {
          const Curve got = run(world, grid, store, for_grid(config, grid));
          ASSERT_EQ(got.losses.size(), want.losses.size());
          for (std::size_t s = 0; s < want.losses.size(); ++s)
            EXPECT_NEAR(got.losses[s], want.losses[s], kTolerance * want.losses[s])
                << layout::to_string(grid);
          EXPECT_EQ(got.counts.skipped_steps, want.counts.skipped_steps);
          EXPECT_EQ(got.counts.vertices, want.counts.vertices);
        }
      });
    }
  }
}

// 120 vertices in blocks of 30 or 15: a batch of 80 is two thirds of each, one of 100 is nearest to all.
TEST(MiniBatch, ABatchLargerThanABlockIsDealtOverTheBlocks) {
  const test::MemoryStore store = mini_store(true);
  for (const auto& [size, batches] :
       {std::pair{20, Index{6}}, {45, Index{3}}, {80, Index{2}}, {100, Index{1}}}) {
    RunConfig config = mini_config("gcn");
    config.mini.batch_size = size;
    config.mini.accumulate = 1;
    config.epochs = 2;
    const Curve want = reference(store, config);
    EXPECT_EQ(want.losses.size(), 2 * static_cast<std::size_t>(batches)) << size;
    EXPECT_EQ(want.counts.vertices, 2 * kVertices) << size;
    test::for_each_world({4, 8}, [&](comm::Communicator& world) {
      const layout::Grid grid = layout::tensor_grids(world.size()).front();
      EXPECT_LE(loss_distance(run(world, grid, store, config), want), kTolerance) << size;
    });
  }
}

test::MemoryStore large_store(Index vertices, bool symmetric) {
  test::MemoryStore store =
      test::random_store({.vertices = vertices, .degree = 12, .symmetric = symmetric, .seed = 9});
  store.set_virtual_blocks(64);
  store.set_features(test::random_dense(vertices, 48, 3));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(vertices)), parts(labels.size());
  std::vector<graph::Split> splits(labels.size());
  for (std::size_t v = 0; v < labels.size(); ++v) {
    labels[v] = static_cast<std::int32_t>(v % 7), parts[v] = static_cast<std::int32_t>(v * 13 % 40);
    splits[v] = v % 2 == 0 ? graph::Split::kTrain : v % 4 == 1 ? graph::Split::kValid : graph::Split::kTest;
  }
  store.set_labels(std::move(labels), 7);
  store.set_splits(std::move(splits));
  store.set_parts(std::move(parts), 40);
  return store;
}

// What is left of it is mostly room that memory keeps for growth, and edges that a kind of sampler prefers.
TEST(MiniBatch, TheMemoryModelIsCloseToWhatIsTaken) {
  constexpr Index kMany = 2000;
  double least = 1e9, most = 0;
  const auto check = [&](comm::Communicator& world, const layout::Grid& grid, const graph::Store& store,
                         const RunConfig& config) {
    device::Context context({.threads = 1});
    parallel::ProcessGrid process_grid(world, grid);
    MiniTrainer trainer(context, process_grid, store, config);
    for (Index s = 0; s < std::min<Index>(3, trainer.steps_per_epoch()); ++s)
      (void)trainer.step({0, s}, false);
    (void)trainer.evaluate();
    const MemoryEstimate model =
        estimate_memory(store.info(), grid, config, trainer.spec(), trainer.batch_rows());
    // What MPI stages in is counted, not modelled.
    const std::size_t staged = world.staging() != nullptr ? world.staging()->peak() : 0;
    const double ratio =
        static_cast<double>(trainer.peak_memory() - staged) / static_cast<double>(model.total());
    EXPECT_GT(ratio, 0.75) << layout::to_string(grid) << " " << config.mini.sampler << ": "
                           << model.describe();
    EXPECT_LT(ratio, 1.25) << layout::to_string(grid) << " " << config.mini.sampler << ": "
                           << model.describe();
    if (world.rank() == 0) least = std::min(least, ratio), most = std::max(most, ratio);
  };
  const test::MemoryStore store = large_store(kMany, true), directed = large_store(kMany, false);
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    const std::vector<layout::Grid> grids = grids_of(world.size());
    for (const layout::Grid& grid : {grids.front(), grids[grids.size() / 2], grids.back()}) {
      for (const char* sampler : {"stratified", "uniform", "degree", "train", "cluster", "saint-walk"}) {
        RunConfig config = with_cache(for_grid(mini_config("gcn", "unbiased", sampler), grid));
        config.mini.presamples = 2;
        check(world, grid, store, config);
      }
      for (const char* kind : {"gcn", "sage", "gin"}) {
        RunConfig config = for_grid(mini_config(kind, "self-normalised"), grid);
        config.model.hidden = {48};
        config.model.norm = "layer";
        check(world, grid, directed, config);
        check(world, grid, directed, with_cache(config));
        config.mini.pipeline_depth = 3;
        config.mini.batch_ratio = 0.1;
        config.mini.sampled_eval = true;
        check(world, grid, store, with_cache(config));
      }
    }
  });
  std::printf("  measured over model: %.2f to %.2f\n", least, most);
}

// So that the pipeline of sampled evaluation goes on, with the memory that it has.
TEST(MiniBatch, SampledEvaluationTakesTheSameEpochAgain) {
  const Turn turn{.repeats = true};
  EXPECT_EQ(turn.after({7, 3}, 5), (sampling::Ticket{7, 4}));
  EXPECT_EQ(turn.after({7, 4}, 5), (sampling::Ticket{7, 0}));
  EXPECT_EQ(Turn{}.after({7, 4}, 5), (sampling::Ticket{8, 0}));
  const test::MemoryStore store = mini_store(true);
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    RunConfig config = mini_config("gcn");
    config.mini.sampled_eval = true;
    device::Context context({.threads = 1});
    parallel::ProcessGrid grid(world, {1, 1, world.size(), 1});
    MiniTrainer trainer(context, grid, store, config);
    const Evaluation first = trainer.evaluate();
    const std::size_t taken = trainer.peak_memory();
    const Evaluation second = trainer.evaluate();
    EXPECT_EQ(first.loss, second.loss);
    EXPECT_EQ(trainer.peak_memory(), taken);
  });
}

TEST(MiniBatch, SampledEvaluationOfAnEmptySplitHasNoMetric) {
  test::MemoryStore store = mini_store(true);
  std::vector<graph::Split> splits(kVertices, graph::Split::kTrain);
  for (std::size_t v = 0; v < kVertices; v += 3) splits[v] = graph::Split::kTest;
  store.set_splits(splits);
  RunConfig config = mini_config("gcn");
  config.mini.sampled_eval = true;
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    const Curve got = run(world, {1, 1, world.size(), 1}, store, config);
    EXPECT_TRUE(std::isnan(got.evaluation.metrics[1].at("accuracy")));
    EXPECT_EQ(got.evaluation.loss[1], 0);
    EXPECT_GT(got.evaluation.metrics[2].at("accuracy"), 0);
  });
}

TEST(MiniBatch, OneClassHasNoLoss) {
  test::MemoryStore store = mini_store(true);
  store.set_labels(std::vector<std::int32_t>(kVertices, 0), 1);
  const Curve curve = reference(store, mini_config("gcn"));
  for (const double loss : curve.losses) EXPECT_EQ(loss, 0);
  EXPECT_EQ(curve.evaluation.metrics[2].at("accuracy"), 1);
}

TEST(MiniBatch, TasksWithSeveralLabelsAreTheSameOnEveryGrid) {
  test::MemoryStore store = mini_store(false);
  test::Dense targets(kVertices, 3);
  for (Index i = 0; i < kVertices; ++i)
    for (Index c = 0; c < 3; ++c) {
      const double u = test::uniform(77, i, c);
      targets(i, c) = u > 0.8 ? std::nan("") : u > 0 ? 1 : 0;
    }
  store.set_targets(targets);
  const RunConfig config = mini_config("sage");
  const Curve want = reference(store, config);
  test::for_each_world({2, 4}, [&](comm::Communicator& world) {
    for (const layout::Grid& grid : grids_of(world.size()))
      EXPECT_LE(loss_distance(run(world, grid, store, for_grid(config, grid)), want), kTolerance)
          << layout::to_string(grid);
  });
}

TEST(MiniBatch, RateGrowsWithTheSubBatchesOfAStepWhereAsked) {
  const test::MemoryStore store = mini_store(true);
  const auto self = comm::self_communicator();
  const auto rate = [&](const char* scaling) {
    RunConfig config = mini_config("gcn");
    config.mini.lr_scaling = scaling;
    device::Context context({.threads = 1});
    parallel::ProcessGrid grid(*self, layout::Grid{});
    return MiniTrainer(context, grid, store, config).step({0, 0}, false).learning_rate;
  };
  EXPECT_DOUBLE_EQ(rate("none"), 0.01);
  EXPECT_DOUBLE_EQ(rate("linear"), 0.02);
  EXPECT_DOUBLE_EQ(rate("sqrt"), 0.01 * std::sqrt(2.0));
}

}  // namespace
}  // namespace opx::train
