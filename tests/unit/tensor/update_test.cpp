// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The rules themselves are held to torch's values in unit/train/optimizer_test.cpp.
#include "tensor/update.hpp"

#include "base/error.hpp"
#include "support/matrices.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

using test::random_vector;
using test::worst_difference;

constexpr AdamFactors kAdam{.step_size = 0.02F,
                            .root = 1.5F,
                            .beta1 = 0.9F,
                            .beta2 = 0.99F,
                            .rest1 = 0.1F,
                            .rest2 = 0.01F,
                            .epsilon = 1e-8F,
                            .coupled = 0.01F,
                            .kept = 0.999F,
                            .gradient_scale = 0.5F};

TEST(Update, CpuEqualsReference) {
  device::Context context({.threads = 2});
  for (const Index n : {0, 1, 7, 1000, 200'000}) {
    const auto gradient = random_vector(n, 1);
    auto value = random_vector(n, 2), first = random_vector(n, 3), second = random_vector(n, 4, 0, 1);
    auto value_b = value, first_b = first, second_b = second;
    cpu::adam_step(context, kAdam, gradient, value, first, second);
    ref::adam_step(context, kAdam, gradient, value_b, first_b, second_b);
    EXPECT_LT(worst_difference(value, value_b), 1e-6) << n;
    EXPECT_LT(worst_difference(first, first_b), 1e-6) << n;
    EXPECT_LT(worst_difference(second, second_b), 1e-6) << n;
    for (const bool with_momentum : {false, true}) {
      const SgdFactors f{.learning_rate = 0.1F, .momentum = 0.9F, .weight_decay = 0.01F, .gradient_scale = 2};
      auto momentum = with_momentum ? first : std::vector<float>(), momentum_b = momentum;
      cpu::sgd_step(context, f, gradient, value, momentum);
      ref::sgd_step(context, f, gradient, value_b, momentum_b);
      EXPECT_LT(worst_difference(value, value_b), 2e-6) << n;
      EXPECT_LT(worst_difference(momentum, momentum_b), 1e-6) << n;
    }
    EXPECT_NEAR(sum_of_squares(context, gradient), ref::sum_of_squares(context, gradient),
                1e-12 * (1 + static_cast<double>(n)));
  }
}

TEST(Update, InnerProductOfStridedRows) {
  device::Context context({.threads = 2});
  const auto a = random_vector(3000 * 5, 1), b = random_vector(3000 * 4, 2);
  const MatrixView<const float> x(a.data(), 3000, 3, 5), y(b.data(), 3000, 3, 4);
  EXPECT_NEAR(inner_product(context, x, y), ref::inner_product(context, x, y), 1e-9);
}

TEST(Update, ShapesAreChecked) {
  device::Context context({.threads = 1});
  std::vector<float> three(3), four(4);
  EXPECT_THROW(sgd_step(context, {}, four, three, {}), base::DimensionMismatch);
  EXPECT_THROW(sgd_step(context, {}, three, three, four), base::DimensionMismatch);
  EXPECT_THROW(adam_step(context, {}, three, three, four, three), base::DimensionMismatch);
  EXPECT_THROW(adam_step(context, {}, three, three, three, four), base::DimensionMismatch);
  EXPECT_THROW((void)inner_product(context, {three.data(), 1, 3}, {three.data(), 3, 1}),
               base::DimensionMismatch);
  EXPECT_THROW(adam_step(context, {.step = 0}, three, three, three, three), base::InvalidArgument);
}

}  // namespace
}  // namespace opx::tensor
