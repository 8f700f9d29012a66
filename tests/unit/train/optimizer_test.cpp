// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Values by PyTorch 2.x (torch.optim, fp64) for p = [1, -2], gradients g_t = [0.5 t, 1 - t], t = 1, 2, 3; the
// recurrences are written out again here, in double and per element.
#include "train/optimizer.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace opx::train {
namespace {

struct Oracle {
  OptimizerConfig c;
  double decay;
  double p, m = 0, v = 0;
  int t = 0;
  void step(double g) {
    ++t;
    if (c.kind == "sgd") {
      g += decay * p;
      if (c.momentum > 0) g = m = t == 1 ? g : c.momentum * m + g;
      p -= c.learning_rate * g;
      return;
    }
    if (c.kind == "adam") g += decay * p;
    if (c.kind == "adamw") p -= c.learning_rate * decay * p;
    m = c.beta1 * m + (1 - c.beta1) * g;
    v = c.beta2 * v + (1 - c.beta2) * g * g;
    const double mhat = m / (1 - std::pow(c.beta1, t)), vhat = v / (1 - std::pow(c.beta2, t));
    p -= c.learning_rate * mhat / (std::sqrt(vhat) + c.epsilon);
  }
};

void expect_equal(OptimizerConfig config, double decay) {
  device::Context context({.threads = 2});
  std::vector<float> value{1, -2}, gradient(2);
  Optimizer optimizer(context, config, {{"w", value, gradient, decay}});
  Oracle a{config, decay, 1}, b{config, decay, -2};
  for (int t = 1; t <= 3; ++t) {
    gradient = {static_cast<float>(0.5 * t), static_cast<float>(1 - t)};
    a.step(0.5 * t);
    b.step(1 - t);
    optimizer.step(config.learning_rate, 1);
    EXPECT_NEAR(static_cast<double>(value[0]), a.p, 1e-6) << config.kind << " " << t;
    EXPECT_NEAR(static_cast<double>(value[1]), b.p, 1e-6) << config.kind << " " << t;
  }
  EXPECT_EQ(optimizer.steps(), 3);
}

TEST(Optimizer, FollowsTheRules) {
  for (const char* kind : {"sgd", "adam", "adamw"})
    for (const double decay : {0.0, 0.1}) expect_equal({.kind = kind, .learning_rate = 0.05}, decay);
  expect_equal({.kind = "sgd", .learning_rate = 0.05, .momentum = 0.9}, 0.01);
}

TEST(Optimizer, FirstAdamStepIsTheLearningRate) {
  device::Context context({.threads = 1});
  std::vector<float> value{0.5F}, gradient{1e-3F};
  Optimizer optimizer(context, {.kind = "adam"}, {{"w", value, gradient, 0}});
  optimizer.step(0.01, 1);
  EXPECT_NEAR(static_cast<double>(value[0]), 0.49, 1e-6);
}

TEST(Optimizer, LargeParametersInRangesAndClipping) {
  device::Context context({.threads = 2});
  const std::size_t n = 200'001;
  std::vector<float> value(n, 1), gradient(n, 2);
  Optimizer optimizer(context, {.kind = "sgd"}, {{"w", value, gradient, 0}});
  optimizer.step(0.5, 0.25);
  for (const float v : value) ASSERT_FLOAT_EQ(v, 0.75F);
  EXPECT_THROW(Optimizer(context, {.kind = "adamax"}, {}), base::InvalidArgument);
}

TEST(Schedule, WarmUpCosineAndSteps) {
  OptimizerConfig c{.learning_rate = 1};
  EXPECT_DOUBLE_EQ(learning_rate(c, 17, 100), 1);
  c.warmup = 4;
  EXPECT_DOUBLE_EQ(learning_rate(c, 0, 100), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(c, 3, 100), 1);
  c.schedule = "cosine";
  EXPECT_DOUBLE_EQ(learning_rate(c, 4, 104), 1);
  EXPECT_NEAR(learning_rate(c, 54, 104), 0.5, 1e-12);
  EXPECT_NEAR(learning_rate(c, 104, 104), 0, 1e-12);
  c = {.learning_rate = 1, .schedule = "step", .step_every = 10, .step_factor = 0.5};
  EXPECT_DOUBLE_EQ(learning_rate(c, 9, 100), 1);
  EXPECT_DOUBLE_EQ(learning_rate(c, 25, 100), 0.25);
  c.schedule = "linear";
  EXPECT_THROW((void)learning_rate(c, 1, 2), base::InvalidArgument);
}

}  // namespace
}  // namespace opx::train
