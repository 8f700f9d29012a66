// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The all-reduce scheme against a dense GCN in double: loss, every gradient, logits at home, and its
// counters.
#include "parallel/allreduce3d.hpp"

#include <cstring>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "parallel/gradient_bucket.hpp"
#include "parallel/scheme_words.hpp"
#include "support/blocks.hpp"
#include "support/dense_gcn.hpp"
#include "support/memory_store.hpp"
#include "support/ranks.hpp"

namespace opx::parallel {
namespace {

using comm::CommPurpose;
using tensor::Matrix;
using test::Dense;

struct Problem {
  std::vector<Index> widths = {5, 7, 6, 3};
  Index vertices = 61;
  bool symmetric = true;
  AllreduceOptions options{};
};

test::MemoryStore make_store(const Problem& p) {
  auto store =
      test::random_store({.vertices = p.vertices, .degree = 3, .symmetric = p.symmetric, .seed = 21});
  store.set_features(test::random_dense(p.vertices, p.widths.front(), 22));
  std::vector<std::int32_t> labels;
  std::vector<graph::Split> splits;
  for (Index v = 0; v < p.vertices; ++v) {
    labels.push_back(v % 7 == 5 ? -1 : static_cast<std::int32_t>((v * 5) % p.widths.back()));
    splits.push_back(v % 4 == 3 ? graph::Split::kTest : graph::Split::kTrain);
  }
  store.set_labels(labels, p.widths.back());
  store.set_splits(splits);
  return store;
}

test::DenseGcn make_oracle(const Problem& p, const test::MemoryStore& store) {
  test::DenseGcn gcn;
  gcn.a = store.normalised(test::Factors::kSymmetric, p.options.add_self_loops);
  gcn.features = test::random_dense(p.vertices, p.widths.front(), 22);
  for (std::size_t l = 0; l + 1 < p.widths.size(); ++l) {
    gcn.weights.push_back(test::random_dense(p.widths[l], p.widths[l + 1], 30 + l));
    const Dense bias = test::random_dense(1, p.widths[l + 1], 40 + l);
    gcn.biases.emplace_back(bias.data);
  }
  for (Index v = 0; v < p.vertices; ++v) {
    gcn.labels.push_back(v % 7 == 5 || v % 4 == 3 ? -1
                                                  : static_cast<std::int32_t>((v * 5) % p.widths.back()));
  }
  gcn.dropout = p.options.dropout;
  gcn.input_dropout = p.options.input_dropout;
  gcn.dropout_on_aggregated = p.options.cache_first_aggregation;
  gcn.seed = p.options.seed;
  return gcn;
}

/// Parameters of the oracle in fp32, and a bucket for their gradients.
struct Parameters {
  Parameters(device::Context& context, const test::DenseGcn& gcn) {
    for (std::size_t l = 0; l < gcn.weights.size(); ++l) {
      const Dense& w = gcn.weights[l];
      weights.emplace_back(context, w.rows, w.cols);
      std::copy(w.data.begin(), w.data.end(), weights.back().span().begin());
      biases.emplace_back(gcn.biases[l].begin(), gcn.biases[l].end());
      offsets.push_back(static_cast<Index>(offsets.back() + w.rows * w.cols));
      offsets.push_back(offsets.back() + w.cols);
    }
    all = device::Buffer<float>(context, offsets.back());
    for (std::size_t l = 0; l < weights.size(); ++l) {
      values.push_back({weights[l].view(), biases[l]});
      gradients.push_back(
          {{gradient(2 * l).data(), weights[l].rows(), weights[l].cols()}, gradient(2 * l + 1)});
    }
  }
  /// Of weight (2 l) or bias (2 l + 1) of layer l.
  std::span<float> gradient(std::size_t slot) {
    return all.span().subspan(static_cast<std::size_t>(offsets[slot]),
                              static_cast<std::size_t>(offsets[slot + 1] - offsets[slot]));
  }
  void reduce(device::Context& context, comm::Communicator& world) {
    GradientBucket(context, world, all.span()).finish();
  }
  std::vector<Matrix<float>> weights;
  std::vector<std::vector<float>> biases;
  std::vector<Index> offsets = {0};
  device::Buffer<float> all;
  std::vector<LayerParameters> values;
  std::vector<LayerGradients> gradients;
};

void expect_gradients(Parameters& parameters, const test::DenseGcn::Result& want, const std::string& what) {
  for (std::size_t l = 0; l < want.weight_gradients.size(); ++l) {
    const auto weight = parameters.gradient(2 * l), bias = parameters.gradient(2 * l + 1);
    for (std::size_t i = 0; i < weight.size(); ++i) {
      ASSERT_NEAR(weight[i], want.weight_gradients[l].data[i], 2e-5)
          << what << " layer " << l << " weight " << i;
    }
    for (std::size_t i = 0; i < bias.size(); ++i) {
      ASSERT_NEAR(bias[i], want.bias_gradients[l][i], 2e-5) << what << " layer " << l << " bias " << i;
    }
  }
}

std::int64_t graph_bytes(const comm::Traffic& t) {
  return t.bytes(CommPurpose::kForward) + t.bytes(CommPurpose::kBackward);
}

void check(comm::Communicator& world, const layout::Grid& shape, const Problem& p,
           const test::MemoryStore& store, const test::DenseGcn& oracle) {
  const std::string what =
      layout::to_string(shape) + (p.options.permutation == Permutation::kSingle ? " single" : " double");
  device::Context context({.threads = 1, .logger = {}});
  ProcessGrid grid(world, shape);
  layout::GraphShard home;  // only where this rank's rows are
  home.block_rows = layout::padded_rows(p.vertices, shape.ranks());
  home.own = layout::block_range(p.vertices, shape.ranks(), world.rank());
  Matrix<float> features = test::own_rows(context, home, oracle.features);
  AllreduceOptions options = p.options;
  options.widths = p.widths;
  AllreduceGcn gcn(context, grid, store, features.view(), options);
  Parameters parameters(context, oracle);
  world.traffic().reset();
  const double loss = gcn.step(parameters.values, parameters.gradients, 5);
  const SchemeModel model{.vertices = p.vertices, .widths = p.widths};
  if (!options.cache_first_aggregation) {
    EXPECT_EQ(graph_bytes(world.traffic()), 4 * allreduce_words(model, shape, grid.coord())) << what;
  }
  const auto last = layout::roles_of(std::ssize(p.widths) - 2);
  const auto class_axis = static_cast<comm::CommAxis>(last.k);
  EXPECT_EQ(world.traffic().at(class_axis, CommPurpose::kLoss).bytes,
            4 * allreduce_loss_words(model, shape, grid.coord()));
  parameters.reduce(context, world);
  EXPECT_EQ(world.traffic().bytes(CommPurpose::kGradient), 4 * gradient_words(model, world.size()));
  const auto want = oracle.run(true, 5);
  EXPECT_NEAR(loss, want.loss, 1e-5) << what;
  expect_gradients(parameters, want, what);

  const std::vector<float> first(parameters.all.begin(), parameters.all.end());
  EXPECT_EQ(gcn.step(parameters.values, parameters.gradients, 5), loss) << what;
  parameters.reduce(context, world);
  EXPECT_EQ(std::memcmp(first.data(), parameters.all.data(), first.size() * sizeof(float)), 0) << what;

  Matrix<float> own(context, home.block_rows, p.widths.back());
  gcn.logits(parameters.values, own.view());
  test::expect_own_rows(home, own, oracle.run(false, 0).logits, 1e-4, what);
}

void for_each_grid(const std::function<void(comm::Communicator&, const layout::Grid&)>& body) {
  test::for_each_world({1, 2, 3, 4, 6, 8}, [&](comm::Communicator& world) {
    for (const layout::Grid& shape : layout::tensor_grids(world.size())) body(world, shape);
  });
}

void check_all(Problem p) {
  const auto store = make_store(p);
  for (const Permutation permutation : {Permutation::kSingle, Permutation::kDouble}) {
    p.options.permutation = permutation;
    const auto oracle = make_oracle(p, store);
    for_each_grid(
        [&](comm::Communicator& world, const layout::Grid& shape) { check(world, shape, p, store, oracle); });
  }
}

TEST(Allreduce3d, EqualsDenseOnEveryGrid) { check_all({}); }

TEST(Allreduce3d, DropoutDependsOnVerticesNotOnGrids) {
  Problem p;
  p.options.dropout = 0.5F;
  p.options.input_dropout = 0.25F;
  p.options.seed = 77;
  check_all(p);
}

TEST(Allreduce3d, DirectedGraphAndSevenLayers) {
  Problem p{.widths = {4, 3, 9, 2, 5, 5, 3, 4}, .symmetric = false};
  p.options.dropout = 0.3F;
  check_all(p);
}

TEST(Allreduce3d, OneLayerAndFewVertices) {
  check_all({.widths = {3, 2}, .vertices = 5});
  check_all({.widths = {1, 1, 2}, .vertices = 1});
}

TEST(Allreduce3d, CachedFirstAggregationDropsTheAggregatedFeatures) {
  Problem p;
  p.options.cache_first_aggregation = true;
  check_all(p);
  p.options.input_dropout = 0.5F;
  check_all(p);
}

TEST(Allreduce3d, RejectsWhatItCannotTrain) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Problem p;
    const auto store = make_store(p);
    device::Context context({.threads = 1, .logger = {}});
    ProcessGrid grid(world, {.gx = world.size()});
    Matrix<float> features(context, layout::padded_rows(p.vertices, world.size()), 5);
    const auto make = [&](const graph::Store& s, std::vector<Index> widths) {
      AllreduceGcn gcn(context, grid, s, features.view(), {.widths = std::move(widths)});
    };
    EXPECT_THROW(make(store, {5}), base::InvalidArgument);
    EXPECT_THROW(make(store, {4, 3}), base::InvalidArgument);
    EXPECT_THROW(make(store, {5, 2}), base::InvalidArgument);
    EXPECT_THROW(make(test::MemoryStore(61, {}), {5, 3}), base::InvalidArgument);
    auto damaged = make_store(p);
    damaged.fail_with("damaged");
    EXPECT_THROW(make(damaged, {5, 3}), base::Error);
  });
}

}  // namespace
}  // namespace opx::parallel
