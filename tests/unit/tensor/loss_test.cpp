// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/loss.hpp"

#include <limits>

#include "support/matrices.hpp"
#include "tensor/kernels.hpp"
#include "tensor/targets.hpp"

namespace opx::tensor {
namespace {

using test::Strided;
using test::worst_difference;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Every instruction set of this machine, forced in turn.
class LossOn : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { tensor::force_target(GetParam()); }
  void TearDown() override { tensor::force_target(""); }
};
INSTANTIATE_TEST_SUITE_P(Targets, LossOn, ::testing::ValuesIn(tensor::available_targets()),
                         [](const auto& target) { return target.param; });

struct Labels {
  std::vector<std::int32_t> labels;
  std::vector<std::uint8_t> use;
  Labels(Index rows, Index classes) {
    for (Index i = 0; i < rows; ++i) {
      labels.push_back(static_cast<std::int32_t>(i % 7 == 6 ? -1 : (i * 13) % classes));
      use.push_back(i % 5 != 4);
    }
  }
};

Strided<float> random_targets(Index rows, Index tasks) {
  auto t = Strided<float>::random(rows, tasks, 2, 9, 0, 3);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < tasks; ++j)
      t.view()(i, j) = t.view()(i, j) < 1 ? 0.0F : t.view()(i, j) < 2 ? 1.0F : kNan;
  return t;
}

TEST_P(LossOn, SoftmaxCrossEntropyEqualsReference) {
  device::Context context({.threads = 2});
  for (const Index classes : {1, 2, 7, 16, 41, 47, 64, 130, 257}) {
    const auto x = Strided<float>::random(5001, classes, 3, 1, -20, 20);
    const Labels l(5001, classes);
    Strided<float> got(5001, classes, 1), expected(5001, classes, 1);
    const LossSum a = softmax_cross_entropy(context, x.read(), l.labels, l.use, 0.25, got.view());
    const LossSum b =
        ref::softmax_cross_entropy(context, x.read(), l.labels, l.use, 0.25, expected.view(), {});
    EXPECT_EQ(a.terms, b.terms);
    EXPECT_NEAR(a.sum, b.sum, 1e-6 * b.sum + 1e-9) << classes;
    EXPECT_LT(worst_difference(got.read(), expected.read()), 1e-6) << classes;
    EXPECT_TRUE(got.guards_intact());
    const LossSum without = softmax_cross_entropy(context, x.read(), l.labels, l.use, 0.25, {});
    EXPECT_EQ(without.sum, a.sum);
  }
}

TEST(SoftmaxCrossEntropy, MayOverwriteTheLogits) {
  device::Context context({.threads = 2});
  auto x = Strided<float>::random(100, 47, 3, 1, -5, 5);
  const Labels l(100, 47);
  Strided<float> expected(100, 47);
  const LossSum a = softmax_cross_entropy(context, x.read(), l.labels, l.use, 1, expected.view());
  const LossSum b = softmax_cross_entropy(context, x.read(), l.labels, l.use, 1, x.view());
  EXPECT_EQ(a.sum, b.sum);
  EXPECT_EQ(worst_difference(x.read(), expected.read()), 0);
}

TEST(SoftmaxCrossEntropy, GradientEqualsFiniteDifferences) {
  device::Context context({.threads = 1});
  auto x = Strided<float>::random(4, 5, 0, 1);
  const Labels l(4, 5);
  Strided<float> gradient(4, 5);
  softmax_cross_entropy(context, x.read(), l.labels, l.use, 1, gradient.view());
  constexpr float kStep = 1.0F / 512;
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 5; ++j) {
      const float before = x.view()(i, j);
      x.view()(i, j) = before + kStep;
      const double up = ref::softmax_cross_entropy(context, x.read(), l.labels, l.use, 1, {}, {}).sum;
      x.view()(i, j) = before - kStep;
      const double down = ref::softmax_cross_entropy(context, x.read(), l.labels, l.use, 1, {}, {}).sum;
      x.view()(i, j) = before;
      EXPECT_NEAR(gradient.view()(i, j), (up - down) * 256, 1e-5);
    }
}

TEST_P(LossOn, RowWeightsScaleLossAndGradient) {
  device::Context context({.threads = 2});
  const auto x = Strided<float>::random(31, 9, 1, 5, -6, 6);
  const Labels l(31, 9);
  const auto t = random_targets(31, 9);
  std::vector<float> weights;
  for (int i = 0; i < 31; ++i) weights.push_back(0.25F * static_cast<float>(i % 6));
  Strided<float> got(31, 9, 2), expected(31, 9);
  LossSum a = softmax_cross_entropy(context, x.read(), l.labels, l.use, 0.5, got.view(), weights);
  LossSum b = ref::softmax_cross_entropy(context, x.read(), l.labels, l.use, 0.5, expected.view(), weights);
  EXPECT_NEAR(a.sum, b.sum, 1e-5 * b.sum);
  EXPECT_EQ(a.terms, b.terms);
  EXPECT_LE(worst_difference(got.read(), expected.read()), 1e-6);
  a = sigmoid_bce(context, x.read(), t.read(), l.use, 0.5, got.view(), weights);
  b = ref::sigmoid_bce(context, x.read(), t.read(), l.use, 0.5, expected.view(), weights);
  EXPECT_NEAR(a.sum, b.sum, 1e-5 * b.sum);
  EXPECT_LE(worst_difference(got.read(), expected.read()), 1e-6);
  weights.pop_back();
  EXPECT_THROW(softmax_cross_entropy(context, x.read(), l.labels, l.use, 1, {}, weights),
               base::DimensionMismatch);
}

TEST_P(LossOn, SoftmaxCrossEntropyLargeLogitsAndNan) {
  device::Context context({.threads = 1});
  Strided<float> x(3, 3);
  const float rows[3][3] = {{1e30F, 0, -1e30F}, {0, kNan, 0}, {kInfinity, 0, 0}};
  for (Index i = 0; i < 3; ++i) std::copy_n(rows[i], 3, x.view().row(i));
  const std::vector<std::int32_t> labels = {0, 0, 0};
  Strided<float> g(3, 3), expected(3, 3);
  const std::vector<std::uint8_t> first = {1, 0, 0}, all = {1, 1, 1};
  EXPECT_EQ(softmax_cross_entropy(context, x.read(), labels, first, 1, g.view()).sum, 0);
  EXPECT_EQ(g.view()(1, 0), 0);
  EXPECT_TRUE(std::isnan(softmax_cross_entropy(context, x.read(), labels, all, 1, g.view()).sum));
  ref::softmax_cross_entropy(context, x.read(), labels, all, 1, expected.view(), {});
  EXPECT_LT(worst_difference(g.read(), expected.read()), 1e-6);
}

TEST_P(LossOn, SigmoidBceEqualsReference) {
  device::Context context({.threads = 2});
  for (const Index tasks : test::column_counts()) {
    const auto x = Strided<float>::random(3001, tasks, 3, 1, -30, 30);
    const auto t = random_targets(3001, tasks);
    const Labels l(3001, 2);
    Strided<float> got(3001, tasks, 1), expected(3001, tasks, 1);
    const LossSum a = sigmoid_bce(context, x.read(), t.read(), l.use, 0.5, got.view());
    const LossSum b = ref::sigmoid_bce(context, x.read(), t.read(), l.use, 0.5, expected.view(), {});
    EXPECT_EQ(a.terms, b.terms);
    EXPECT_NEAR(a.sum, b.sum, 1e-6 * b.sum) << tasks;
    EXPECT_LT(worst_difference(got.read(), expected.read()), 1e-6) << tasks;
    EXPECT_TRUE(got.guards_intact());
    EXPECT_EQ(sigmoid_bce(context, x.read(), t.read(), l.use, 0.5, {}).sum, a.sum);
  }
}

TEST_P(LossOn, SigmoidBceNanLogitIsSeen) {
  device::Context context({.threads = 1});
  Strided<float> x(1, 2), t(1, 2), g(1, 2);
  x.view()(0, 0) = kNan, x.view()(0, 1) = 3, t.view()(0, 0) = 1, t.view()(0, 1) = kNan;
  const std::vector<std::uint8_t> use = {1};
  const LossSum l = sigmoid_bce(context, x.read(), t.read(), use, 1, g.view());
  EXPECT_TRUE(std::isnan(l.sum));
  EXPECT_EQ(l.terms, 1);
  EXPECT_TRUE(std::isnan(g.view()(0, 0)));
  EXPECT_EQ(g.view()(0, 1), 0);
}

TEST(Loss, BitsDoNotDependOnThreads) {
  const auto x = Strided<float>::random(20011, 47, 0, 1, -9, 9);
  const auto t = random_targets(20011, 47);
  const Labels l(20011, 47);
  device::Context serial({.threads = 1}), parallel({.threads = 4});
  EXPECT_EQ(softmax_cross_entropy(serial, x.read(), l.labels, l.use, 1, {}).sum,
            softmax_cross_entropy(parallel, x.read(), l.labels, l.use, 1, {}).sum);
  EXPECT_EQ(sigmoid_bce(serial, x.read(), t.read(), l.use, 1, {}).sum,
            sigmoid_bce(parallel, x.read(), t.read(), l.use, 1, {}).sum);
}

TEST_P(LossOn, SoftmaxAndSigmoidEqualReference) {
  device::Context context({.threads = 2});
  for (const Index cols : test::column_counts()) {
    auto x = Strided<float>::random(300, cols, 3, 1, -100, 100), expected = x;
    auto s = x, expected_s = x;
    if (cols > 2) x.view()(7, 1) = expected.view()(7, 1) = s.view()(7, 1) = expected_s.view()(7, 1) = kNan;
    softmax_rows(context, x.view());
    ref::softmax_rows(context, expected.view());
    EXPECT_LT(worst_difference(x.read(), expected.read()), 1e-6) << cols;
    sigmoid(context, s.view());
    ref::sigmoid(context, expected_s.view());
    EXPECT_LT(worst_difference(s.read(), expected_s.read()), 1e-6) << cols;
    EXPECT_TRUE(x.guards_intact());
    EXPECT_TRUE(s.guards_intact());
  }
}

TEST_P(LossOn, ArgmaxEqualsReferenceWithTiesAndNan) {
  device::Context context({.threads = 2});
  for (const Index cols : {1, 2, 5, 16, 17, 47, 64, 130}) {
    auto x = Strided<float>::random(500, cols, 3, 1, -4, 4);
    for (Index i = 0; i < 500; ++i)
      for (Index j = 0; j < cols; ++j) {
        float& v = x.view()(i, j);
        v = std::floor(v);  // ties
        if ((i + j) % 9 == 0 || i == 3) v = kNan;
        if (i == 4) v = -kInfinity;
        if (i == 5) v = j == cols - 1 ? -kInfinity : kNan;
      }
    std::vector<std::int32_t> got(500), expected(500);
    argmax_rows(context, x.read(), got);
    ref::argmax_rows(context, x.read(), expected);
    EXPECT_EQ(got, expected) << cols;
    EXPECT_EQ(got[3], 0);
    EXPECT_EQ(got[5], cols - 1);
  }
}

TEST(Loss, RejectsWhatDoesNotFit) {
  device::Context context({.threads = 2});
  Strided<float> x(4, 5), wrong(4, 6);
  std::vector<std::int32_t> labels(4), few(3), large(4, 5);
  std::vector<std::uint8_t> use(4, 1), few_use(3);
  EXPECT_THROW(softmax_cross_entropy(context, x.read(), few, use, 1, {}), base::DimensionMismatch);
  EXPECT_THROW(softmax_cross_entropy(context, x.read(), labels, few_use, 1, {}), base::DimensionMismatch);
  EXPECT_THROW(softmax_cross_entropy(context, x.read(), labels, use, 1, wrong.view()),
               base::DimensionMismatch);
  EXPECT_THROW(softmax_cross_entropy(context, x.read(), large, use, 1, {}), base::InvalidArgument);
  EXPECT_THROW(sigmoid_bce(context, x.read(), wrong.read(), use, 1, {}), base::DimensionMismatch);
  EXPECT_THROW(sigmoid_bce(context, x.read(), x.read(), few_use, 1, {}), base::DimensionMismatch);
  EXPECT_THROW(argmax_rows(context, x.read(), few), base::DimensionMismatch);
}

}  // namespace
}  // namespace opx::tensor
