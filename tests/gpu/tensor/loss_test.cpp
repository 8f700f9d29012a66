// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/loss.hpp"

#include <limits>

#include "base/error.hpp"
#include "support/gpu_matrices.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

using test::OnGpu;
using test::Strided;
using test::VectorOnGpu;
using test::worst_difference;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Labels {
  std::vector<std::int32_t> labels;
  std::vector<std::uint8_t> use;
  std::vector<float> weights;
  Labels(Index rows, Index classes) : weights(test::random_vector(rows, 5, 0.5F, 2)) {
    for (Index i = 0; i < rows; ++i) {
      labels.push_back(static_cast<std::int32_t>(i % 7 == 6 ? -1 : (i * 13) % classes));
      use.push_back(i % 5 != 4);
    }
  }
};

struct LabelsOnGpu {
  VectorOnGpu<std::int32_t> labels;
  VectorOnGpu<std::uint8_t> use;
  VectorOnGpu<float> weights;
  LabelsOnGpu(device::Context& context, const Labels& l)
      : labels(context, l.labels), use(context, l.use), weights(context, l.weights) {}
};

Strided<float> random_targets(Index rows, Index tasks) {
  auto t = Strided<float>::random(rows, tasks, 2, 9, 0, 3);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < tasks; ++j)
      t.view()(i, j) = t.view()(i, j) < 1 ? 0.0F : t.view()(i, j) < 2 ? 1.0F : kNan;
  return t;
}

void expect_sums(const LossSum& a, const LossSum& b) {
  EXPECT_EQ(a.terms, b.terms);
  EXPECT_NEAR(a.sum, b.sum, 1e-6 * b.sum + 1e-7 * static_cast<double>(b.terms));
}

class GpuLoss : public opx::test::GpuTest {
 protected:
  device::Context& cpu() { return context().host(); }
};

TEST_F(GpuLoss, SoftmaxCrossEntropyEqualsReference) {
  for (const Index classes : test::gpu_column_counts())
    for (const Index rows : {Index{0}, Index{1}, classes < 50 ? Index{150} : Index{40}}) {
      const auto x = Strided<float>::random(rows, classes, 3, 1, -20, 20);
      const Labels l(rows, classes);
      OnGpu<float> there(context(), x), got(context(), rows, classes, 1);
      LabelsOnGpu lg(context(), l);
      Strided<float> expected(rows, classes, 1);
      gpu().reset_counters();
      const LossSum a = softmax_cross_entropy(context(), there.read(), lg.labels.read(), lg.use.read(), 0.25,
                                              got.view(), lg.weights.read());
      EXPECT_LE(gpu().counters().synchronisations, 1);
      const LossSum b =
          ref::softmax_cross_entropy(cpu(), x.read(), l.labels, l.use, 0.25, expected.view(), l.weights);
      expect_sums(a, b);
      EXPECT_LT(worst_difference(got.back().read(), expected.read()), 1e-6) << classes;
      EXPECT_TRUE(got.back().guards_intact());
      const LossSum without = softmax_cross_entropy(context(), there.read(), lg.labels.read(), lg.use.read(),
                                                    0.25, {}, lg.weights.read());
      EXPECT_EQ(without.sum, a.sum);
      // Over the logits, and again: the same bits.
      const LossSum over = softmax_cross_entropy(context(), there.read(), lg.labels.read(), lg.use.read(),
                                                 0.25, there.view(), lg.weights.read());
      EXPECT_EQ(over.sum, a.sum);
      EXPECT_EQ(worst_difference(there.back().read(), got.back().read()), 0) << classes;
    }
}

TEST_F(GpuLoss, LabelsThatAreNoClass) {
  Labels l(90, 7);
  l.labels[30] = 7, l.labels[60] = 9, l.labels[4] = 100;  // row 4 does not count
  OnGpu<float> x(context(), Strided<float>::random(90, 7, 0, 1));
  LabelsOnGpu lg(context(), l);
  try {
    softmax_cross_entropy(context(), x.read(), lg.labels.read(), lg.use.read(), 1, {});
    FAIL() << "a label of 7 among 7 classes";
  } catch (const base::InvalidArgument& e) {
    EXPECT_STREQ(e.what(), "row 30 has label 7, but there are 7 classes");
  }
}

TEST_F(GpuLoss, NoRowCounts) {
  Labels l(50, 7);
  std::fill(l.use.begin(), l.use.end(), std::uint8_t{0});
  OnGpu<float> x(context(), Strided<float>::random(50, 7, 0, 1)), gradient(context(), 50, 7, 0);
  LabelsOnGpu lg(context(), l);
  const LossSum none =
      softmax_cross_entropy(context(), x.read(), lg.labels.read(), lg.use.read(), 1, gradient.view());
  EXPECT_EQ(none.sum, 0);
  EXPECT_EQ(none.terms, 0);
  EXPECT_EQ(gradient.back().view()(49, 6), 0);
}

TEST_F(GpuLoss, RowsWithoutASoftmaxGiveNan) {
  for (const float bad : {kNan, kInfinity}) {
    auto x = Strided<float>::random(3, 33, 1, 1);
    x.view()(1, 20) = bad;
    const std::vector<std::int32_t> labels = {0, 1, 2};
    VectorOnGpu<std::int32_t> there_labels(context(), labels);
    VectorOnGpu<std::uint8_t> all(context(), {1, 1, 1}), others(context(), {1, 0, 1});
    OnGpu<float> there(context(), x), gradient(context(), 3, 33, 0);
    EXPECT_TRUE(std::isnan(
        softmax_cross_entropy(context(), there.read(), there_labels.read(), all.read(), 1, gradient.view())
            .sum));
    EXPECT_TRUE(std::isnan(gradient.back().view()(1, 5)));
    EXPECT_FALSE(std::isnan(gradient.back().view()(0, 5)));
    EXPECT_FALSE(std::isnan(
        softmax_cross_entropy(context(), there.read(), there_labels.read(), others.read(), 1, {}).sum));
  }
}

TEST_F(GpuLoss, SigmoidBceEqualsReference) {
  for (const Index tasks : test::gpu_column_counts())
    for (const Index rows : {Index{0}, Index{1}, tasks < 50 ? Index{600} : Index{40}}) {
      const auto x = Strided<float>::random(rows, tasks, 3, 1, -20, 20), t = random_targets(rows, tasks);
      const Labels l(rows, 1);
      OnGpu<float> there(context(), x), targets(context(), t), got(context(), rows, tasks, 1);
      LabelsOnGpu lg(context(), l);
      Strided<float> expected(rows, tasks, 1);
      const LossSum a = sigmoid_bce(context(), there.read(), targets.read(), lg.use.read(), 0.5, got.view(),
                                    lg.weights.read());
      expect_sums(a, ref::sigmoid_bce(cpu(), x.read(), t.read(), l.use, 0.5, expected.view(), l.weights));
      EXPECT_LT(worst_difference(got.back().read(), expected.read()), 1e-6) << tasks;
      EXPECT_TRUE(got.back().guards_intact());
      const LossSum over = sigmoid_bce(context(), there.read(), targets.read(), lg.use.read(), 0.5,
                                       there.view(), lg.weights.read());
      EXPECT_EQ(over.sum, a.sum);
      EXPECT_EQ(worst_difference(there.back().read(), got.back().read()), 0) << tasks;
    }
}

TEST_F(GpuLoss, ANanLogitGivesNan) {
  auto x = Strided<float>::random(4, 5, 0, 1);
  x.view()(2, 3) = kNan;
  OnGpu<float> there(context(), x), targets(context(), Strided<float>::random(4, 5, 0, 2, 0, 1)),
      gradient(context(), 4, 5, 0);
  VectorOnGpu<std::uint8_t> use(context(), {1, 1, 1, 1});
  EXPECT_TRUE(
      std::isnan(sigmoid_bce(context(), there.read(), targets.read(), use.read(), 1, gradient.view()).sum));
  EXPECT_TRUE(std::isnan(gradient.back().view()(2, 3)));
  EXPECT_FALSE(std::isnan(gradient.back().view()(2, 2)));
}

TEST_F(GpuLoss, SoftmaxAndSigmoidInPlace) {
  for (const Index cols : test::gpu_column_counts()) {
    auto x = Strided<float>::random(21, cols, 2, 1, -30, 30);
    x.view()(3, cols / 2) = kNan;
    OnGpu<float> softmax(context(), x), logistic(context(), x);
    Strided<float> a = x, b = x;
    softmax_rows(context(), softmax.view());
    sigmoid(context(), logistic.view());
    ref::softmax_rows(cpu(), a.view());
    ref::sigmoid(cpu(), b.view());
    EXPECT_LT(worst_difference(softmax.back().read(), a.read()), 1e-6) << cols;
    EXPECT_LT(worst_difference(logistic.back().read(), b.read()), 1e-6) << cols;
    EXPECT_TRUE(softmax.back().guards_intact());
    EXPECT_TRUE(logistic.back().guards_intact());
  }
}

TEST_F(GpuLoss, ArgmaxWithTiesAndNan) {
  for (const Index cols : test::gpu_column_counts()) {
    auto x = Strided<float>::random(60, cols, 1, 1);
    for (Index i = 0; i < 60; ++i)
      for (Index j = 0; j < cols; ++j) {
        float& v = x.view()(i, j);
        v = std::floor(v * 3);  // many ties
        if (i % 4 == 1 && (i * 7 + j) % 3 != 0) v = kNan;
        if (i % 4 == 2) v = kNan;
        if (i % 4 == 3) v = j % 5 == 4 ? -kInfinity : kNan;
      }
    OnGpu<float> there(context(), x);
    VectorOnGpu<std::int32_t> best(context(), std::vector<std::int32_t>(60, -7));
    std::vector<std::int32_t> expected(60);
    argmax_rows(context(), there.read(), best.span());
    ref::argmax_rows(cpu(), x.read(), expected);
    EXPECT_EQ(best.back(), expected) << cols;
  }
}

}  // namespace
}  // namespace opx::tensor
