// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/elementwise.hpp"

#include <limits>

#include "support/matrices.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

using test::Strided;
using test::worst_difference;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Elementwise, AddScaledAndScaleRowsEqualReference) {
  device::Context context({.threads = 2});
  for (const Index cols : test::column_counts()) {
    const auto x = Strided<float>::random(101, cols, 3, 1);
    auto y = Strided<float>::random(101, cols, 1, 2), expected = y;
    add_scaled(context, 0.75F, x.read(), y.view());
    ref::add_scaled(context, 0.75F, x.read(), expected.view());
    EXPECT_LT(worst_difference(y.read(), expected.read()), 1e-6) << cols;
    const auto scale = test::random_vector(101, 3);
    scale_rows(context, y.read(), scale, y.view());
    ref::scale_rows(context, expected.read(), scale, expected.view());
    EXPECT_LT(worst_difference(y.read(), expected.read()), 1e-6) << cols;
    EXPECT_TRUE(y.guards_intact());
  }
}

TEST(Elementwise, CopyAndFillTouchOnlyTheView) {
  device::Context context({.threads = 2});
  for (const Index cols : test::column_counts()) {
    const auto x = Strided<float>::random(9, cols, 3, 1);
    Strided<float> y(9, cols, 7);
    copy(context, x.read(), y.view());
    EXPECT_EQ(worst_difference(y.read(), x.read()), 0);
    fill(context, 2.5F, y.view());
    for (Index i = 0; i < 9; ++i)
      for (Index j = 0; j < cols; ++j) EXPECT_EQ(y.view()(i, j), 2.5F);
    EXPECT_TRUE(y.guards_intact());
  }
}

TEST(Convert, RoundsToNearestEvenAndKeepsSpecials) {
  device::Context context({.threads = 2});
  const std::vector<float> special = {0.0F, -0.0F,     1.0F,       1.00390625F, 1.01171875F,
                                      kNan, kInfinity, -kInfinity, 3.3e38F,     1e-40F};
  auto x = Strided<float>::random(50, 130, 2, 1, -100, 100);
  std::copy(special.begin(), special.end(), x.view().row(3));
  Strided<bfloat16> narrow(50, 130, 6);
  Strided<float> wide(50, 130, 4);
  convert(context, x.read(), narrow.view());
  convert(context, narrow.read(), wide.view());
  EXPECT_TRUE(narrow.guards_intact());
  EXPECT_TRUE(wide.guards_intact());
  for (Index i = 0; i < 50; ++i)
    for (Index j = 0; j < 130; ++j) {
      const float v = x.view()(i, j);
      EXPECT_EQ(narrow.view()(i, j).bits, bfloat16(v).bits);
      if (std::isfinite(v))
        EXPECT_NEAR(wide.view()(i, j), v, std::abs(v) / 256 + 1e-38F);
      else
        EXPECT_EQ(std::isnan(wide.view()(i, j)), std::isnan(v));
    }
  EXPECT_EQ(static_cast<float>(narrow.view()(3, 3)), 1.0F);       // halfway, to even
  EXPECT_EQ(static_cast<float>(narrow.view()(3, 4)), 1.015625F);  // halfway, to even, upwards
}

TEST(ColumnSums, EqualReferenceAndIgnoreRowsPastTheValid) {
  device::Context context({.threads = 2});
  for (const Index cols : test::column_counts())
    for (const Index valid : {Index{0}, Index{1}, Index{2999}, Index{3001}}) {
      const auto q = Strided<float>::random(3001, cols, 3, 1, -2, 5);
      const auto bias = test::random_vector(cols, 2);
      const auto n = static_cast<std::size_t>(cols);
      const std::vector<double> shift(n, 1.5);
      std::vector<double> sum(n), squares(n), expected_sum(n), expected_squares(n);
      column_sums(context, q.read(), bias, valid, shift, sum, squares);
      ref::column_sums(context, q.read(), bias, valid, shift, expected_sum, expected_squares);
      for (std::size_t j = 0; j < n; ++j) {
        EXPECT_NEAR(sum[j], expected_sum[j], 1e-9);
        EXPECT_NEAR(squares[j], expected_squares[j], 1e-9 * (1 + expected_squares[j]));
      }
      std::vector<double> plain(n);
      column_sums(context, q.read(), {}, valid, {}, plain, {});
      for (std::size_t j = 0; j < n; ++j)
        EXPECT_NEAR(plain[j], sum[j] + static_cast<double>(valid) * (1.5 - static_cast<double>(bias[j])),
                    1e-8);
    }
}

TEST(Elementwise, RejectShapesThatDoNotFit) {
  device::Context context({.threads = 1});
  Strided<float> x(4, 5), y(4, 6);
  Strided<bfloat16> narrow(5, 5);
  std::vector<float> three(3);
  std::vector<double> sums(4);
  EXPECT_THROW(add_scaled(context, 1, x.read(), y.view()), base::DimensionMismatch);
  EXPECT_THROW(copy(context, x.read(), y.view()), base::DimensionMismatch);
  EXPECT_THROW(convert(context, x.read(), narrow.view()), base::DimensionMismatch);
  EXPECT_THROW(convert(context, narrow.read(), x.view()), base::DimensionMismatch);
  EXPECT_THROW(scale_rows(context, x.read(), three, x.view()), base::DimensionMismatch);
  EXPECT_THROW(column_sums(context, x.read(), {}, 4, {}, sums, {}), base::DimensionMismatch);
  EXPECT_THROW(column_sums(context, x.read(), {}, 5, {}, sums, {}), base::DimensionMismatch);
}

}  // namespace
}  // namespace opx::tensor
