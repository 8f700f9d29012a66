// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <limits>
#include <numeric>

#include "support/epilogue_case.hpp"
#include "support/gpu_matrices.hpp"
#include "tensor/elementwise.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

using test::OnGpu;
using test::Strided;
using test::VectorOnGpu;
using test::worst_difference;

constexpr std::array kNorms = {Norm::kNone, Norm::kLayer, Norm::kRms, Norm::kBatch};

/// Rows four elements further apart, so that aligned ones stay so.
struct Case : test::EpilogueCase {
  Case(Index rows_, Index cols_, Norm norm, Activation activation, float rate, Index gap)
      : EpilogueCase(rows_, cols_, norm, activation, rate, gap, 4) {}
};

/// The same on the GPU.
struct GpuCase {
  VectorOnGpu<float> bias, gamma, beta, mean, inverse_std;
  Epilogue epilogue;
  OnGpu<float> q, residual, dy;

  GpuCase(device::Context& context, const Case& c)
      : bias(context, c.bias),
        gamma(context, c.gamma),
        beta(context, c.beta),
        mean(context, c.mean),
        inverse_std(context, c.inverse_std),
        epilogue(c.epilogue),
        q(context, c.q),
        residual(context, c.residual),
        dy(context, c.dy) {
    if (!c.epilogue.bias.empty()) epilogue.bias = bias.read();
    if (!c.epilogue.gamma.empty()) epilogue.gamma = gamma.read();
    if (!c.epilogue.beta.empty()) epilogue.beta = beta.read();
    if (!c.epilogue.batch_mean.empty()) epilogue.batch_mean = mean.read();
    if (!c.epilogue.batch_inverse_std.empty()) epilogue.batch_inverse_std = inverse_std.read();
  }
};

/// What a backend computes for a case, on the host.
struct Result {
  Strided<float> y, dq;
  std::vector<float> mean, inverse_std, bias, gamma, beta;
  std::vector<std::uint64_t> mask;
};

Result run_ref(device::Context& cpu, const Case& c, Index gap) {
  const auto zeros = [](Index n) { return std::vector<float>(static_cast<std::size_t>(n)); };
  Result r{{c.rows, c.cols, gap}, {c.rows, c.cols, gap}, zeros(c.rows), zeros(c.rows),
           zeros(c.cols),         zeros(c.cols),         zeros(c.cols), {}};
  PassMask mask(cpu, c.rows, c.cols);
  const RowMoments moments{r.mean, r.inverse_std};
  ref::epilogue_forward(cpu, c.q.read(), c.epilogue, c.residual.read(), r.y.view(), &mask, &moments);
  ref::epilogue_backward(cpu, c.dy.read(), c.q.read(), c.epilogue, mask, &moments, r.dq.view(),
                         {r.bias, r.gamma, r.beta});
  r.mask = test::words_of(cpu, mask);
  return r;
}

Result run_gpu(device::Context& context, const Case& host, Index gap) {
  GpuCase c(context, host);
  const auto zeros = [&](Index n) {
    return VectorOnGpu<float>(context, std::vector<float>(static_cast<std::size_t>(n)));
  };
  OnGpu<float> y(context, host.rows, host.cols, gap), dq(context, host.rows, host.cols, gap);
  auto mean = zeros(host.rows), inverse_std = zeros(host.rows);
  auto bias = zeros(host.cols), gamma = zeros(host.cols), beta = zeros(host.cols);
  PassMask mask(context, host.rows, host.cols);
  const RowMoments moments{mean.span(), inverse_std.span()};
  context.gpu().reset_counters();
  epilogue_forward(context, c.q.read(), c.epilogue, c.residual.read(), y.view(), &mask, &moments);
  epilogue_backward(context, c.dy.read(), c.q.read(), c.epilogue, mask, &moments, dq.view(),
                    {bias.span(), gamma.span(), beta.span()});
  EXPECT_EQ(context.gpu().counters().synchronisations, 0);
  return {y.back(),    dq.back(),    mean.back(), inverse_std.back(),
          bias.back(), gamma.back(), beta.back(), test::words_of(context, mask)};
}

class GpuEpilogue : public opx::test::GpuTest {
 protected:
  device::Context& cpu() { return context().host(); }

  void expect_equal(const Case& c, Index gap) {
    const Result a = run_gpu(context(), c, gap), b = run_ref(cpu(), c, gap);
    const double rows = 1 + static_cast<double>(c.rows);
    SCOPED_TRACE(testing::Message() << c.rows << " x " << c.cols << " gap " << gap << " norm "
                                    << static_cast<int>(c.epilogue.norm));
    EXPECT_LT(worst_difference(a.y.read(), b.y.read()), 1e-5);
    EXPECT_LT(worst_difference(a.dq.read(), b.dq.read()), 2e-5);
    EXPECT_TRUE(a.y.guards_intact() && a.dq.guards_intact());
    EXPECT_EQ(a.mask, b.mask);
    EXPECT_LT(worst_difference(a.mean, b.mean), 1e-6);
    EXPECT_LT(worst_difference(a.inverse_std, b.inverse_std), 1e-5);
    EXPECT_LT(worst_difference(a.bias, b.bias), 1e-6 * rows);
    EXPECT_LT(worst_difference(a.gamma, b.gamma), 1e-6 * rows);
    EXPECT_LT(worst_difference(a.beta, b.beta), 1e-6 * rows);
  }
};

TEST_F(GpuEpilogue, EqualsReference) {
  for (const Norm norm : kNorms)
    for (const Index cols : test::gpu_column_counts()) {
      const Index rows = cols > 100 ? 9 : 35;
      expect_equal(Case(rows, cols, norm, Activation::kRelu, 0.3F, (4 - cols % 4) % 4),
                   4 + (4 - cols % 4) % 4);
      expect_equal(Case(rows, cols, norm, Activation::kNone, 0, 3), 1);
    }
}

TEST_F(GpuEpilogue, FewAndManyRows) {
  for (const Norm norm : kNorms) {
    for (const Index rows : {Index{0}, Index{1}})
      expect_equal(Case(rows, 47, norm, Activation::kRelu, 0.5F, 1), 0);
    expect_equal(Case(2500, 3, norm, Activation::kRelu, 0.1F, 1), 1);  // several ranges of rows
    expect_equal(Case(300, 130, norm, Activation::kRelu, 0.1F, 2), 2);
    expect_equal(Case(70, 264, norm, Activation::kRelu, 0, 0), 0);
  }
}

// The bits of dropout alone are the CPU's, whatever the columns begin with and whatever order vertices have.
TEST_F(GpuEpilogue, DropoutBitsEqualTheCpus) {
  for (const Index cols : test::gpu_column_counts())
    for (const Index col_begin : {Index{0}, Index{3}, Index{8}, Index{61}}) {
      const Index rows = 17;
      std::vector<Index> vertices(static_cast<std::size_t>(rows));
      for (Index i = 0; i < rows; ++i) vertices[static_cast<std::size_t>(i)] = (i * 7919) % 1000 + (i << 31);
      VectorOnGpu<Index> there(context(), vertices);
      Dropout dropout{
          .rate = 0.4F, .seed = 7, .step = 3, .layer = 1, .vertices = vertices, .col_begin = col_begin};
      PassMask expected(cpu(), rows, cols), got(context(), rows, cols);
      auto x = Strided<float>::random(rows, cols, 1, 2);
      OnGpu<float> gpu_x(context(), x);
      dropout_forward(cpu(), x.read(), dropout, x.view(), &expected);
      dropout.vertices = there.read();
      dropout_forward(context(), gpu_x.read(), dropout, gpu_x.view(), &got);
      EXPECT_EQ(test::words_of(context(), got), test::words_of(cpu(), expected)) << cols << " " << col_begin;
      EXPECT_TRUE(gpu_x.back().same_bits(x)) << cols << " " << col_begin;
    }
}

TEST_F(GpuEpilogue, EveryRateNearItsEnds) {
  for (const float rate : {1e-6F, 1.0F / 65536, 0.5F, 0.99999F, std::nextafter(1.0F, 0.0F)}) {
    PassMask expected(cpu(), 40, 64), got(context(), 40, 64);
    auto x = Strided<float>::random(40, 64, 0, 2);
    OnGpu<float> there(context(), x);
    dropout_forward(cpu(), x.read(), {.rate = rate, .seed = 1}, x.view(), &expected);
    dropout_forward(context(), there.read(), {.rate = rate, .seed = 1}, there.view(), &got);
    EXPECT_EQ(test::words_of(context(), got), test::words_of(cpu(), expected)) << rate;
  }
}

TEST_F(GpuEpilogue, MayOverwriteItsArguments) {
  for (const Norm norm : kNorms)
    for (const Index cols : {Index{47}, Index{300}}) {
      const Case c(20, cols, norm, Activation::kRelu, 0.2F, 0);
      const Result expected = run_gpu(context(), c, 0);
      GpuCase over_q(context(), c), over_residual(context(), c), over_dy(context(), c);
      epilogue_forward(context(), over_q.q.read(), over_q.epilogue, over_q.residual.read(), over_q.q.view(),
                       nullptr, nullptr);
      EXPECT_EQ(worst_difference(over_q.q.back().read(), expected.y.read()), 0);
      PassMask mask(context(), 20, cols);
      VectorOnGpu<float> mean(context(), c.bias), inverse_std(context(), c.bias), none(context(), {});
      const RowMoments moments{mean.span().first(20), inverse_std.span().first(20)};
      epilogue_forward(context(), over_residual.q.read(), over_residual.epilogue,
                       over_residual.residual.read(), over_residual.residual.view(), &mask, &moments);
      EXPECT_EQ(worst_difference(over_residual.residual.back().read(), expected.y.read()), 0);
      epilogue_backward(context(), over_dy.dy.read(), over_dy.q.read(), over_dy.epilogue, mask, &moments,
                        over_dy.dy.view(), {});
      EXPECT_EQ(worst_difference(over_dy.dy.back().read(), expected.dq.read()), 0);
    }
}

TEST_F(GpuEpilogue, TwiceTheSameBits) {
  for (const Norm norm : kNorms)
    for (const Index cols : {Index{33}, Index{270}}) {
      const Case c(150, cols, norm, Activation::kRelu, 0.2F, 1);
      const Result a = run_gpu(context(), c, 1), b = run_gpu(context(), c, 1);
      EXPECT_TRUE(a.y.same_bits(b.y) && a.dq.same_bits(b.dq));
      EXPECT_EQ(a.bias, b.bias);
      EXPECT_EQ(a.gamma, b.gamma);
      EXPECT_EQ(a.beta, b.beta);
    }
}

TEST_F(GpuEpilogue, NanPassesRelu) {
  auto x = Strided<float>::random(2, 9, 0, 1);
  x.view()(1, 8) = std::numeric_limits<float>::quiet_NaN();
  OnGpu<float> there(context(), x);
  epilogue_forward(context(), there.read(), {.activation = Activation::kRelu}, {}, there.view(), nullptr,
                   nullptr);
  EXPECT_TRUE(std::isnan(there.back().view()(1, 8)));
}

TEST_F(GpuEpilogue, ColumnSums) {
  for (const Index cols : test::gpu_column_counts())
    for (const Index valid : {Index{0}, Index{1}, Index{130}}) {
      const auto q = Strided<float>::random(131, cols, 1, 6, -2, 2);
      const std::vector<float> bias = test::random_vector(cols, 1);
      const auto n = static_cast<std::size_t>(cols);
      std::vector<double> shift(n), sum(n, 7), squares(n, 7), wanted(n), wanted_squares(n);
      for (std::size_t j = 0; j < n; ++j) shift[j] = 0.1 * static_cast<double>(j % 7);
      OnGpu<float> there(context(), q);
      VectorOnGpu<float> there_bias(context(), bias);
      gpu().reset_counters();
      column_sums(context(), there.read(), there_bias.read(), valid, shift, sum, squares);
      EXPECT_EQ(gpu().counters().synchronisations, 1);
      ref::column_sums(cpu(), q.read(), bias, valid, shift, wanted, wanted_squares);
      for (std::size_t j = 0; j < n; ++j) {
        ASSERT_NEAR(sum[j], wanted[j], 1e-10) << cols;
        ASSERT_NEAR(squares[j], wanted_squares[j], 1e-10) << cols;
      }
      column_sums(context(), there.read(), {}, valid, {}, sum, {});
      ref::column_sums(cpu(), q.read(), {}, valid, {}, wanted, {});
      for (std::size_t j = 0; j < n; ++j) ASSERT_NEAR(sum[j], wanted[j], 1e-10) << cols;
    }
}

TEST_F(GpuEpilogue, BatchNormBackward) {
  for (const Index cols : test::gpu_column_counts())
    for (const Index gap : {Index{1}, (4 - cols % 4) % 4}) {
      const Case c(37, cols, Norm::kBatch, Activation::kNone, 0, gap);
      GpuCase there(context(), c);
      const auto sum_gamma = test::random_vector(cols, 21, -9, 9),
                 sum_beta = test::random_vector(cols, 22, -9, 9);
      VectorOnGpu<float> gamma(context(), sum_gamma), beta(context(), sum_beta);
      Strided<float> expected = c.dy;
      ref::batch_norm_backward(cpu(), c.q.read(), c.epilogue, sum_gamma, sum_beta, 200, 30, expected.view());
      batch_norm_backward(context(), there.q.read(), there.epilogue, gamma.read(), beta.read(), 200, 30,
                          there.dy.view());
      EXPECT_LT(worst_difference(there.dy.back().read(), expected.read()), 1e-5) << cols;
      EXPECT_EQ(there.dy.back().view()(36, cols - 1), 0);
      EXPECT_TRUE(there.dy.back().guards_intact());
    }
}

}  // namespace
}  // namespace opx::tensor
