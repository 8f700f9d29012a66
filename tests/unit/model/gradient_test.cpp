// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Forward values against a dense model in double, every gradient against central differences of that model.
#include <algorithm>
#include <cmath>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/model.hpp"
#include "parallel/shard_loader.hpp"
#include "support/memory_store.hpp"
#include "support/reference_model.hpp"

namespace opx::model {
namespace {

using test::Dense;

constexpr Index kVertices = 23;
constexpr std::uint32_t kStep = 7;

enum class Input { kCached, kRecomputed, kLearned };
using Case = std::tuple<Kind, tensor::Norm, Input, Order, bool /*residual*/, float /*dropout*/>;

ModelSpec spec_of(const Case& c) {
  const auto [kind, norm, input, order, residual, dropout] = c;
  return {.kind = kind,
          .widths = {6, 6, 4, 6, 3},
          .norm = norm,
          .dropout = dropout,
          .input_dropout = dropout,
          .residual = residual,
          .learned_features = input == Input::kLearned,
          .cache_first = input == Input::kCached,
          .order = order,
          .seed = 5};
}

parallel::Normalisation normalisation(Kind kind) {
  if (kind == Kind::kGcn) return parallel::Normalisation::kSymmetric;
  return kind == Kind::kSage ? parallel::Normalisation::kRow : parallel::Normalisation::kNone;
}
test::Factors factors(Kind kind) {
  if (kind == Kind::kGcn) return test::Factors::kSymmetric;
  return kind == Kind::kSage ? test::Factors::kRow : test::Factors::kNone;
}

/// A model on one rank over a small directed graph, with all parameters away from their initial values.
class Fixture {
 public:
  explicit Fixture(ModelSpec spec)
      : spec_(std::move(spec)),
        store_(test::random_store({.vertices = kVertices, .degree = 3, .symmetric = false, .seed = 11})),
        features_(test::random_dense(kVertices, spec_.widths.front(), 3)),
        grid_(*world_, layout::Grid{}) {
    const bool loops = spec_.kind == Kind::kGcn;
    shard_ = parallel::load_shard(context_, grid_, store_,
                                  {.normalisation = normalisation(spec_.kind), .add_self_loops = loops});
    aggregator_ =
        std::make_unique<parallel::Aggregator>(context_, grid_, shard_, parallel::AggregateOptions{});
    tensor::Matrix<float> x(context_, kVertices, features_.cols);
    for (Index i = 0; i < x.size(); ++i)
      x.data()[i] = static_cast<float>(features_.data[static_cast<std::size_t>(i)]);
    model_ = std::make_unique<Model>(context_, grid_, shard_, *aggregator_, spec_, std::move(x));
    std::uint64_t seed = 100;
    for (const auto& entry : model_->parameters().entries()) {
      const auto v = model_->parameters().value(entry);
      Dense d(v.rows, v.cols);
      for (Index e = 0; e < v.size(); ++e) {
        if (!entry.spec.is_weight) v.data[e] += static_cast<float>(0.3 * test::uniform(seed, e));
        d.data[static_cast<std::size_t>(e)] = static_cast<double>(v.data[e]);
      }
      parameters_[entry.spec.name] = d;
      ++seed;
    }
  }
  Model& model() { return *model_; }
  [[nodiscard]] test::ReferenceModel reference() const {
    return {spec_, store_.normalised(factors(spec_.kind), spec_.kind == Kind::kGcn)};
  }
  const Dense& features() const { return features_; }
  const test::NamedParameters& parameters() const { return parameters_; }

 private:
  device::Context context_{{.threads = 2}};
  std::unique_ptr<comm::Communicator> world_ = comm::self_communicator();
  ModelSpec spec_;
  test::MemoryStore store_;
  Dense features_;
  parallel::ProcessGrid grid_;
  layout::GraphShard shard_;
  std::unique_ptr<parallel::Aggregator> aggregator_;
  std::unique_ptr<Model> model_;
  test::NamedParameters parameters_;
};

double inner(const Dense& a, const Dense& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) sum += a.data[i] * b.data[i];
  return sum;
}

double largest(const Dense& d) {
  double m = 0;
  for (const double v : d.data) m = std::max(m, std::abs(v));
  return m;
}

/// Central differences of f by every element of x.
Dense differences(Dense& x, const std::function<double()>& f) {
  constexpr double kStepSize = 1e-6;
  Dense out(x.rows, x.cols);
  for (std::size_t e = 0; e < x.data.size(); ++e) {
    const double keep = x.data[e];
    x.data[e] = keep + kStepSize;
    const double up = f();
    x.data[e] = keep - kStepSize;
    out.data[e] = (up - f()) / (2 * kStepSize);
    x.data[e] = keep;
  }
  return out;
}

/// 2e-5 of the largest element: fp32 sums over 23 vertices and 4 layers.
void expect_near(tensor::MatrixView<const float> got, const Dense& want, const std::string& what) {
  ASSERT_EQ(got.rows, want.rows) << what;
  ASSERT_EQ(got.cols, want.cols) << what;
  const double tolerance = 2e-5 * std::max(largest(want), 0.05);
  for (Index i = 0; i < want.rows; ++i)
    for (Index j = 0; j < want.cols; ++j)
      ASSERT_NEAR(static_cast<double>(got(i, j)), want(i, j), tolerance)
          << what << " (" << i << ", " << j << ")";
}

class Gradients : public testing::TestWithParam<Case> {};

TEST_P(Gradients, EqualTheDenseModel) {
  const ModelSpec spec = spec_of(GetParam());
  Fixture f(spec);
  const test::ReferenceModel reference = f.reference();
  test::NamedParameters p = f.parameters();
  Dense x = f.features();
  const Dense weights = test::random_dense(kVertices, spec.widths.back(), 9);
  const auto loss = [&] { return inner(reference.forward(p, x, kStep), weights); };

  Array logits = f.model().forward({.training = true, .step = kStep});
  expect_near(logits.view(), reference.forward(p, x, kStep), "logits");
  for (Index e = 0; e < logits.view().size(); ++e)
    logits.view().data[e] = static_cast<float>(weights.data[static_cast<std::size_t>(e)]);
  f.model().backward(std::move(logits));

  for (const auto& entry : f.model().parameters().entries())
    if (entry.spec.trained)
      expect_near(f.model().parameters().gradient(entry), differences(p.at(entry.spec.name), loss),
                  entry.spec.name);
  if (spec.learned_features) expect_near(f.model().learned_gradient(), differences(x, loss), "features");
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  const auto [kind, norm, input, order, residual, dropout] = info.param;
  const char* norms[] = {"none", "layer", "rms", "batch"};
  const char* inputs[] = {"cached", "recomputed", "learned"};
  const char* orders[] = {"auto", "aggregate", "transform"};
  return std::string(name(kind)) + "_" + norms[static_cast<int>(norm)] + "_" +
         inputs[static_cast<int>(input)] + "_" + orders[static_cast<int>(order)] +
         (residual ? "_residual" : "") + (dropout > 0 ? "_dropout" : "");
}

constexpr auto kAllKinds = {Kind::kGcn, Kind::kSage, Kind::kGin};
INSTANTIATE_TEST_SUITE_P(
    Orders, Gradients,
    testing::Combine(testing::ValuesIn(kAllKinds), testing::Values(tensor::Norm::kNone),
                     testing::Values(Input::kCached, Input::kRecomputed, Input::kLearned),
                     testing::Values(Order::kAuto, Order::kAggregateFirst, Order::kTransformFirst),
                     testing::Bool(), testing::Values(0.0F, 0.4F)),
    case_name);
INSTANTIATE_TEST_SUITE_P(
    Norms, Gradients,
    testing::Combine(testing::ValuesIn(kAllKinds),
                     testing::Values(tensor::Norm::kLayer, tensor::Norm::kRms, tensor::Norm::kBatch),
                     testing::Values(Input::kCached, Input::kLearned), testing::Values(Order::kAuto),
                     testing::Bool(), testing::Values(0.0F, 0.4F)),
    case_name);

TEST(Model, RunningStatisticsAreThoseOfTorch) {
  Fixture f({.kind = Kind::kGcn, .widths = {6, 5, 3}, .norm = tensor::Norm::kBatch, .seed = 5});
  Parameters& p = f.model().parameters();
  const auto mean = p.value("layers.0.norm.running_mean"), var = p.value("layers.0.norm.running_var");
  const std::vector<float> mean0(mean.data, mean.data + 5), var0(var.data, var.data + 5);
  const Dense a = test::random_store({.vertices = kVertices, .degree = 3, .symmetric = false, .seed = 11})
                      .normalised(test::Factors::kSymmetric, true);
  const Dense q = a * f.features() * f.parameters().at("layers.0.weight");
  (void)f.model().forward({.training = true, .step = 0});
  for (Index j = 0; j < 5; ++j) {
    double m = 0, v = 0;
    for (Index i = 0; i < kVertices; ++i) m += q(i, j) / kVertices;
    for (Index i = 0; i < kVertices; ++i) v += (q(i, j) - m) * (q(i, j) - m) / (kVertices - 1);
    m += f.parameters().at("layers.0.bias")(0, j);
    const auto c = static_cast<std::size_t>(j);
    EXPECT_NEAR(mean.data[j], 0.9 * static_cast<double>(mean0[c]) + 0.1 * m, 1e-6);
    EXPECT_NEAR(var.data[j], 0.9 * static_cast<double>(var0[c]) + 0.1 * v, 1e-6);
  }
}

TEST(Model, SecondTrainingStepTakesNoMemory) {
  device::Context context({.threads = 2});
  const auto world = comm::self_communicator();
  parallel::ProcessGrid grid(*world, layout::Grid{});
  const auto store = test::random_store({.vertices = 200, .degree = 4, .seed = 2});
  const auto shard = parallel::load_shard(context, grid, store, {});
  parallel::Aggregator aggregator(context, grid, shard, {});
  tensor::Matrix<float> x(context, 200, 16);
  tensor::fill(context, 0.5F, x.view());
  Model model(context, grid, shard, aggregator,
              {.widths = {16, 32, 32, 7}, .dropout = 0.5F, .input_dropout = 0.5F}, std::move(x));
  for (std::uint32_t step = 0; step < 3; ++step) {
    if (step == 1) context.memory().reset_peak();
    const std::size_t before = context.memory().now();
    model.backward(model.forward({.training = true, .step = step}));
    if (step > 0) {
      EXPECT_EQ(context.memory().now(), before);
      EXPECT_EQ(context.memory().peak(), before);
    }
  }
}

TEST(Model, WrongWidthsAreRefused) {
  device::Context context({.threads = 1});
  const auto world = comm::self_communicator();
  parallel::ProcessGrid grid(*world, layout::Grid{});
  const auto store = test::random_store({.vertices = 20, .degree = 2, .seed = 2});
  const auto shard = parallel::load_shard(context, grid, store, {});
  parallel::Aggregator aggregator(context, grid, shard, {});
  EXPECT_THROW(
      Model(context, grid, shard, aggregator, {.widths = {8, 3}}, tensor::Matrix<float>(context, 20, 7)),
      base::DimensionMismatch);
  EXPECT_THROW(
      Model(context, grid, shard, aggregator, {.widths = {7}}, tensor::Matrix<float>(context, 20, 7)),
      base::InvalidArgument);
}

}  // namespace
}  // namespace opx::model
