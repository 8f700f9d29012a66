// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Deferred ops against those that bring their results back, and that they wait for nothing.
#include "tensor/deferred.hpp"

#include <cmath>

#include "support/gpu_matrices.hpp"
#include "tensor/loss.hpp"

namespace opx::tensor {
namespace {

using test::OnGpu;
using test::random_vector;
using test::Strided;
using test::VectorOnGpu;
using test::worst_difference;

class GpuDeferred : public opx::test::GpuTest {
 protected:
  device::Context& cpu() { return context().host(); }
};

TEST_F(GpuDeferred, LossesAddToTheirSum) {
  constexpr Index kRows = 300, kCols = 9;
  const auto logits = Strided<float>::random(kRows, kCols, 2, 1);
  Strided<float> targets(kRows, kCols, 0);
  std::vector<std::int32_t> labels;
  std::vector<std::uint8_t> use;
  for (std::int32_t i = 0; i < kRows; ++i) {
    labels.push_back(i % 13 == 0 ? -1 : i % 9);
    use.push_back(i % 5 != 0);
    for (Index j = 0; j < kCols; ++j)
      targets.view()(i, j) = (i + j) % 7 == 0 ? NAN : static_cast<float>(j % 2);
  }
  const auto weights = random_vector(kRows, 4);
  OnGpu<float> x(context(), logits), t(context(), targets), g(context(), kRows, kCols, 1);
  VectorOnGpu<std::int32_t> l(context(), labels);
  VectorOnGpu<std::uint8_t> u(context(), use);
  VectorOnGpu<float> w(context(), weights);
  VectorOnGpu<double> sum(context(), std::vector<double>{1.5});
  gpu().reset_counters();
  deferred::softmax_cross_entropy(context(), x.read(), l.read(), u.read(), 0.5, g.view(), w.read(),
                                  sum.span().data());
  deferred::sigmoid_bce(context(), x.read(), t.read(), u.read(), 0.5, g.view(), w.read(), sum.span().data());
  EXPECT_EQ(gpu().counters().synchronisations, 0);
  const double want = 1.5 + softmax_cross_entropy(cpu(), logits.read(), labels, use, 0.5, {}, weights).sum +
                      sigmoid_bce(cpu(), logits.read(), targets.read(), use, 0.5, {}, weights).sum;
  EXPECT_NEAR(sum.back()[0], want, 1e-4 * std::abs(want));

  labels[7] = kCols;
  VectorOnGpu<std::int32_t> bad(context(), labels);
  deferred::softmax_cross_entropy(context(), x.read(), bad.read(), u.read(), 0.5, g.view(), w.read(),
                                  sum.span().data());
  EXPECT_TRUE(std::isnan(sum.back()[0])) << "a label that is no class";
}

TEST_F(GpuDeferred, BatchMomentsAreThoseOfTheRows) {
  constexpr Index kRows = 70, kValid = 61, kCols = 19;
  const auto q = Strided<float>::random(kRows, kCols, 1, 1);
  const auto bias = random_vector(kCols, 2);
  const auto n = static_cast<std::size_t>(kCols);
  OnGpu<float> there(context(), q);
  VectorOnGpu<float> b(context(), bias), mean(context(), std::vector<float>(n)),
      inverse(context(), std::vector<float>(n)), running_mean(context(), std::vector<float>(n, 0.5F)),
      running_var(context(), std::vector<float>(n, 2.0F));
  VectorOnGpu<double> sums(context(), std::vector<double>(n)), squares(context(), std::vector<double>(n));
  const deferred::BatchMoments moments{.mean = sums.span(),
                                       .sum_squares = squares.span(),
                                       .count = kValid,
                                       .epsilon = 1e-5F,
                                       .momentum = 0.1,
                                       .batch_mean = mean.span(),
                                       .batch_inverse_std = inverse.span(),
                                       .running_mean = running_mean.span(),
                                       .running_var = running_var.span()};
  gpu().reset_counters();
  deferred::column_sums(context(), there.read(), b.read(), kValid, nullptr, sums.span().data(), nullptr);
  deferred::divide(context(), sums.span(), kValid);
  deferred::column_sums(context(), there.read(), b.read(), kValid, sums.span().data(), nullptr,
                        squares.span().data());
  deferred::batch_moments(context(), moments);
  EXPECT_EQ(gpu().counters().synchronisations, 0);
  for (std::size_t j = 0; j < n; ++j) {
    double m = 0, v = 0;
    const auto x = [&](Index i) {
      return static_cast<double>(q.read()(i, static_cast<Index>(j))) + static_cast<double>(bias[j]);
    };
    for (Index i = 0; i < kValid; ++i) m += x(i) / kValid;
    for (Index i = 0; i < kValid; ++i) v += (x(i) - m) * (x(i) - m) / kValid;
    EXPECT_NEAR(mean.back()[j], m, 1e-6);
    EXPECT_NEAR(inverse.back()[j], 1 / std::sqrt(v + 1e-5), 1e-5);
    EXPECT_NEAR(running_mean.back()[j], 0.45 + 0.1 * m, 1e-6);
    EXPECT_NEAR(running_var.back()[j], 1.8 + 0.1 * v * kValid / (kValid - 1), 1e-6);
  }
  deferred::running_moments(context(), moments);
  EXPECT_EQ(mean.back(), running_mean.back());
}

// What is read from the GPU's memory gives what arguments give: other rows are NaN.
TEST_F(GpuDeferred, CountsInMemoryOfTheGpu) {
  constexpr Index kRows = 700, kTotal = 900, kCols = 19;
  auto q = Strided<float>::random(kRows, kCols, 1, 1), g = Strided<float>::random(kRows, kCols, 1, 2);
  for (const Index valid : {kRows, Index{513}, Index{1}, Index{0}}) {
    for (Index i = valid; i < kRows; ++i)
      for (Index j = 0; j < kCols; ++j) q.view()(i, j) = g.view()(i, j) = std::nanf("");
    const Index total = valid == 0 ? 0 : kTotal;
    const auto n = static_cast<std::size_t>(kCols);
    OnGpu<float> there(context(), q);
    const std::vector<deferred::RowCounts> numbers{{.valid = valid, .total = total}};
    VectorOnGpu<deferred::RowCounts> counts(context(), numbers);
    const auto bias = random_vector(kCols, 2), gamma = random_vector(kCols, 3);
    VectorOnGpu<float> b(context(), bias), scale(context(), gamma);
    struct Answer {
      std::vector<double> mean, squares;
      std::vector<float> batch_mean, inverse, running_mean, running_var, dq;
    };
    const auto answer = [&](const deferred::RowCounts* at, deferred::RowCounts given) {
      VectorOnGpu<double> sums(context(), std::vector<double>(n)), squares(context(), std::vector<double>(n));
      VectorOnGpu<float> mean(context(), std::vector<float>(n)), inverse(context(), std::vector<float>(n)),
          running_mean(context(), std::vector<float>(n, 0.5F)),
          running_var(context(), std::vector<float>(n, 2.0F));
      OnGpu<float> dq(context(), g);
      const auto divisor = static_cast<double>(std::max<Index>(given.total, 1));
      deferred::column_sums(context(), there.read(), b.read(), given.valid, nullptr, sums.span().data(),
                            nullptr, at);
      deferred::divide(context(), sums.span(), divisor, at);
      deferred::column_sums(context(), there.read(), b.read(), given.valid, sums.span().data(), nullptr,
                            squares.span().data(), at);
      deferred::batch_moments(context(), {.mean = sums.span(),
                                          .sum_squares = squares.span(),
                                          .count = given.total,
                                          .counts = at,
                                          .epsilon = 1e-5F,
                                          .momentum = 0.1,
                                          .batch_mean = mean.span(),
                                          .batch_inverse_std = inverse.span(),
                                          .running_mean = running_mean.span(),
                                          .running_var = running_var.span()});
      Epilogue e;
      e.norm = Norm::kBatch;
      e.bias = b.read(), e.gamma = scale.read(), e.beta = b.read();
      e.batch_mean = mean.read(), e.batch_inverse_std = inverse.read();
      if (at != nullptr)
        deferred::batch_norm_backward(context(), there.read(), e, scale.read(), b.read(), at, dq.view());
      else
        batch_norm_backward(context(), there.read(), e, scale.read(), b.read(),
                            std::max<Index>(given.total, 1), given.valid, dq.view());
      Answer out{sums.back(),         squares.back(),     mean.back(), inverse.back(),
                 running_mean.back(), running_var.back(), {}};
      const auto rows = dq.back();
      for (Index i = 0; i < kRows; ++i)
        for (Index j = 0; j < kCols; ++j) out.dq.push_back(rows.read()(i, j));
      return out;
    };
    const Answer got = answer(counts.read().data(), {}), want = answer(nullptr, numbers[0]);
    const auto expect_near = [&](const auto& a, const auto& b_) {
      ASSERT_EQ(a.size(), b_.size());
      for (std::size_t i = 0; i < a.size(); ++i)
        EXPECT_NEAR(a[i], b_[i], 1e-5 * std::max(1.0, std::abs(static_cast<double>(b_[i])))) << valid;
    };
    expect_near(got.mean, want.mean);
    expect_near(got.squares, want.squares);
    expect_near(got.batch_mean, want.batch_mean);
    expect_near(got.inverse, want.inverse);
    expect_near(got.running_mean, want.running_mean);
    expect_near(got.running_var, want.running_var);
    expect_near(got.dq, want.dq);
    if (valid == kRows) {
      EXPECT_EQ(got.mean, want.mean);
      EXPECT_EQ(got.dq, want.dq);
    }
  }
}

TEST_F(GpuDeferred, TheTailTakesWhatIsInMemoryOfTheGpu) {
  VectorOnGpu<double> loss(context(), {3.0});
  VectorOnGpu<float> tail(context(), std::vector<float>(3, -1.0F));
  deferred::fill_tail(context(), loss.span().data(), 2.0, 5.0, true, tail.span().data());
  EXPECT_EQ(tail.back(), (std::vector<float>{6, 5, 1}));
  const std::vector<deferred::StepInputs> step{{.learning_rate = 1, .weight = 7, .stop = false}};
  VectorOnGpu<deferred::StepInputs> inputs(context(), step);
  deferred::fill_tail(context(), loss.span().data(), 2.0, 5.0, true, tail.span().data(),
                      inputs.read().data());
  EXPECT_EQ(tail.back(), (std::vector<float>{6, 7, 0}));
}

/// Parameters of several sizes, one after the other, as deferred updates and the plain ones take them.
struct Slots {
  std::vector<std::vector<float>> gradient, value, first, second;
  std::vector<VectorOnGpu<float>> gradient_there, value_there, first_there, second_there;
  std::vector<deferred::UpdateSegment> segments;
  Index chunks = 0;

  explicit Slots(device::Context& context) {
    for (const Index n : {Index{5}, Index{0}, Index{2048}, Index{2049}, Index{1}, Index{6000}, Index{0}}) {
      gradient.push_back(random_vector(n, 1));
      value.push_back(random_vector(n, 2));
      first.emplace_back(static_cast<std::size_t>(n));
      second.emplace_back(static_cast<std::size_t>(n));
      gradient_there.emplace_back(context, gradient.back());
      value_there.emplace_back(context, value.back());
      first_there.emplace_back(context, first.back());
      second_there.emplace_back(context, second.back());
      segments.push_back({.gradient = gradient_there.back().span().data(),
                          .value = value_there.back().span().data(),
                          .first = first_there.back().span().data(),
                          .second = second_there.back().span().data(),
                          .size = n,
                          .first_chunk = chunks,
                          .weight_decay = 0.01 * static_cast<double>(segments.size())});
      chunks += ceil_div(n, deferred::kUpdateChunk);
    }
  }
};

TEST_F(GpuDeferred, UpdatesOfAllAreThoseOfEach) {
  for (const std::string rule : {"adam", "adamw", "sgd"}) {
    Slots slots(context());
    VectorOnGpu<deferred::UpdateSegment> segments(context(), slots.segments);
    VectorOnGpu<deferred::StepRecord> record(context(), std::vector<deferred::StepRecord>(1));
    VectorOnGpu<std::int64_t> updates(context(), std::vector<std::int64_t>{0});
    const auto gradients = random_vector(4000, 7);
    VectorOnGpu<float> g(context(), gradients);
    gpu().reset_counters();
    for (std::int64_t step = 1; step <= 4; ++step) {
      const bool skipped = step == 3;
      VectorOnGpu<float> tail(context(), std::vector<float>{6.0F, skipped ? 0.0F : 3.0F, 1.0F});
      deferred::settle_step(context(),
                            {.gradients = g.read(),
                             .tail = tail.span().data(),
                             .scale = 0.5,
                             .clip = 2,
                             .updates = updates.span().data()},
                            record.span().data());
      const deferred::UpdateAll all{.segments = segments.read(),
                                    .chunks = slots.chunks,
                                    .record = record.span().data(),
                                    .updates = updates.span().data()};
      if (rule == "sgd")
        deferred::sgd_all(context(), {.learning_rate = 0.1, .momentum = 0.9}, all);
      else
        deferred::adam_all(context(), {.learning_rate = 0.01, .decoupled = rule == "adamw"}, all);
      if (skipped) continue;
      double squares = 0;
      for (const float v : gradients) squares += static_cast<double>(v) * static_cast<double>(v);
      const double factor = 1 / (0.5 * 3), norm = factor * std::sqrt(squares);
      const double scale = factor * std::min(1.0, 2 / (norm + 1e-6));
      for (std::size_t k = 0; k < slots.segments.size(); ++k) {
        const double decay = slots.segments[k].weight_decay;
        if (rule == "sgd")
          sgd_step(cpu(),
                   {.learning_rate = 0.1, .momentum = 0.9, .weight_decay = decay, .gradient_scale = scale},
                   slots.gradient[k], slots.value[k], slots.first[k]);
        else
          adam_step(cpu(),
                    {.learning_rate = 0.01,
                     .weight_decay = decay,
                     .decoupled = rule == "adamw",
                     .step = step == 4 ? 3 : step,
                     .gradient_scale = scale},
                    slots.gradient[k], slots.value[k], slots.first[k], slots.second[k]);
      }
    }
    EXPECT_EQ(gpu().counters().synchronisations, 0);
    EXPECT_EQ(updates.back()[0], 3);
    const deferred::StepRecord last = record.back()[0];
    EXPECT_NEAR(last.loss, 4, 1e-12);
    EXPECT_EQ(last.weight, 3);
    EXPECT_EQ(last.stop, 1);
    EXPECT_GT(last.gradient_norm, 2);
    for (std::size_t k = 0; k < slots.segments.size(); ++k) {
      EXPECT_LT(worst_difference(slots.value_there[k].back(), slots.value[k]), 1e-6) << rule << k;
      EXPECT_LT(worst_difference(slots.first_there[k].back(), slots.first[k]), 1e-6) << rule << k;
      EXPECT_LT(worst_difference(slots.second_there[k].back(), slots.second[k]), 1e-6) << rule << k;
    }
  }
}

TEST_F(GpuDeferred, ScalarsOfALayer) {
  const auto a = Strided<float>::random(31, 13, 1, 1), b = Strided<float>::random(31, 13, 2, 2);
  OnGpu<float> x(context(), a), y(context(), b);
  VectorOnGpu<float> product(context(), std::vector<float>(1)), factor(context(), std::vector<float>{0.25F});
  deferred::inner_product(context(), x.read(), y.read(), product.span().data());
  EXPECT_EQ(product.back()[0], static_cast<float>(inner_product(context(), x.read(), y.read())));
  deferred::add_one_plus(context(), factor.span().data(), x.read(), y.view());
  Strided<float> expected = b;
  add_scaled(cpu(), 1.25F, a.read(), expected.view());
  for (Index i = 0; i < 31; ++i)
    for (Index j = 0; j < 13; ++j) EXPECT_NEAR(y.back().view()(i, j), expected.view()(i, j), 1e-6);
}

}  // namespace
}  // namespace opx::tensor
