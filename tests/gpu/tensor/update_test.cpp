// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/update.hpp"

#include "support/gpu_matrices.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

using test::OnGpu;
using test::random_vector;
using test::Strided;
using test::VectorOnGpu;
using test::worst_difference;

class GpuUpdate : public opx::test::GpuTest {
 protected:
  device::Context& cpu() { return context().host(); }
};

constexpr std::array<Index, 5> kSizes = {0, 1, 255, 1000, 9001};

TEST_F(GpuUpdate, AdamEqualsTheCpu) {
  for (const Index n : kSizes)
    for (const bool decoupled : {false, true}) {
      const auto gradient = random_vector(n, 1);
      auto value = random_vector(n, 2);
      std::vector<float> first(value.size()), second(value.size());
      VectorOnGpu<float> g(context(), gradient), v(context(), value), m(context(), first),
          s(context(), second);
      AdamStep step{
          .learning_rate = 0.01, .weight_decay = 0.1, .decoupled = decoupled, .gradient_scale = 0.5};
      gpu().reset_counters();
      for (step.step = 1; step.step <= 3; ++step.step) {
        adam_step(cpu(), step, gradient, value, first, second);
        adam_step(context(), step, g.read(), v.span(), m.span(), s.span());
      }
      EXPECT_EQ(gpu().counters().synchronisations, 0);
      EXPECT_LT(worst_difference(v.back(), value), 1e-6) << n;
      EXPECT_LT(worst_difference(m.back(), first), 1e-6) << n;
      EXPECT_LT(worst_difference(s.back(), second), 1e-6) << n;
    }
}

TEST_F(GpuUpdate, SgdEqualsTheCpu) {
  for (const Index n : kSizes)
    for (const bool with_momentum : {false, true}) {
      const auto gradient = random_vector(n, 1);
      auto value = random_vector(n, 2), momentum = random_vector(with_momentum ? n : 0, 3);
      VectorOnGpu<float> g(context(), gradient), v(context(), value), m(context(), momentum);
      const SgdStep step{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01, .gradient_scale = 0.5};
      sgd_step(cpu(), step, gradient, value, momentum);
      sgd_step(context(), step, g.read(), v.span(), m.span());
      EXPECT_LT(worst_difference(v.back(), value), 1e-6) << n;
      EXPECT_LT(worst_difference(m.back(), momentum), 1e-6) << n;
    }
}

TEST_F(GpuUpdate, SumOfSquares) {
  for (const Index n : kSizes) {
    const auto values = random_vector(n, 1);
    VectorOnGpu<float> there(context(), values);
    gpu().reset_counters();
    const double got = sum_of_squares(context(), there.read());
    EXPECT_LE(gpu().counters().synchronisations, 1);
    EXPECT_NEAR(got, ref::sum_of_squares(cpu(), values), 1e-10) << n;
    EXPECT_EQ(got, sum_of_squares(context(), there.read()));
  }
}

TEST_F(GpuUpdate, InnerProduct) {
  for (const Index cols : test::gpu_column_counts()) {
    const auto a = Strided<float>::random(31, cols, 1, 1), b = Strided<float>::random(31, cols, 2, 2);
    OnGpu<float> x(context(), a), y(context(), b);
    const double got = inner_product(context(), x.read(), y.read());
    EXPECT_NEAR(got, ref::inner_product(cpu(), a.read(), b.read()), 1e-9) << cols;
    EXPECT_NEAR(got, inner_product(cpu(), a.read(), b.read()), 1e-9) << cols;
    EXPECT_EQ(got, inner_product(context(), x.read(), y.read()));
  }
  OnGpu<float> none(context(), 0, 5, 0);
  EXPECT_EQ(inner_product(context(), none.read(), none.read()), 0);
}

TEST_F(GpuUpdate, GatherRows) {
  for (const Index cols : test::gpu_column_counts())
    for (const Index gap : {Index{1}, (4 - cols % 4) % 4}) {
      const auto from = Strided<float>::random(31, cols, gap, 1);
      Strided<float> expected(26, cols, gap + 4);
      std::vector<std::int32_t> rows;
      for (std::int32_t i = 0; i < 20; ++i) rows.push_back(i % 6 == 4 ? -1 : i * 17 % 31);
      OnGpu<float> there(context(), from), to(context(), expected);
      VectorOnGpu<std::int32_t> there_rows(context(), rows);
      gather_rows(context(), there.read(), there_rows.read(), to.view());
      gather_rows(cpu(), from.read(), rows, expected.view());
      EXPECT_TRUE(to.back().same_bits(expected)) << cols << " gap " << gap;
      ref::gather_rows(cpu(), from.read(), rows, expected.view());
      EXPECT_TRUE(to.back().same_bits(expected)) << cols << " gap " << gap;
    }
  OnGpu<float> from(context(), 0, 5, 0), to(context(), 3, 5, 0);
  gather_rows(context(), from.read(), {}, to.view());
  EXPECT_EQ(to.back().view()(2, 4), 0);
}

}  // namespace
}  // namespace opx::tensor
