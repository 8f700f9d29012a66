// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/elementwise.hpp"

#include <array>
#include <limits>

#include "support/gpu_matrices.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

using test::OnGpu;
using test::Strided;
using test::worst_difference;

class GpuElementwise : public opx::test::GpuTest {
 protected:
  device::Context& cpu() { return context().host(); }
};

struct Shape {
  Index rows, cols, gap, skip;  // views begin `skip` columns in
};

std::vector<Shape> shapes() {
  std::vector<Shape> out;
  for (const Index cols : test::gpu_column_counts())
    for (const Index gap : {Index{0}, Index{5}, (4 - cols % 4) % 4 + 4}) out.push_back({19, cols, gap, 0});
  for (const Index cols : {Index{8}, Index{47}}) {
    for (const Index rows : {Index{0}, Index{1}, Index{2000}}) out.push_back({rows, cols, 1, 0});
    out.push_back({19, cols, 4, 1});  // quads would not be aligned
    out.push_back({19, cols, 4, 4});
  }
  return out;
}

/// Runs op(context, x, y) on the GPU and oracle(cpu, x, y) on equal matrices; the same bits are wanted, to
/// `tolerance`.
template <class X, class Y, class Op, class Oracle>
void expect_equal(device::Context& context, const Op& op, const Oracle& oracle, double tolerance) {
  for (const Shape& s : shapes()) {
    const auto x = Strided<X>::random(s.rows, s.cols + s.skip, s.gap, 1);
    const auto y = Strided<Y>::random(s.rows, s.cols + s.skip, s.gap + 4, 2);
    const Range cols{s.skip, s.skip + s.cols};
    OnGpu<X> gpu_x(context, x);
    OnGpu<Y> gpu_y(context, y);
    op(gpu_x.read().middle_cols(cols), gpu_y.view().middle_cols(cols));
    Strided<Y> expected = y;
    oracle(x.read().middle_cols(cols), expected.view().middle_cols(cols));
    const Strided<Y> got = gpu_y.back();
    for (std::size_t i = 0; i < got.all().size(); ++i) {
      const auto a = static_cast<float>(got.all()[i]), b = static_cast<float>(expected.all()[i]);
      ASSERT_NEAR(a, b, tolerance) << s.rows << " x " << s.cols << " gap " << s.gap << " skip " << s.skip;
    }
  }
}

TEST_F(GpuElementwise, AddScaled) {
  expect_equal<float, float>(
      context(), [&](auto x, auto y) { add_scaled(context(), -0.75F, x, y); },
      [&](auto x, auto y) { ref::add_scaled(cpu(), -0.75F, x, y); }, 1e-6);
}

TEST_F(GpuElementwise, Copy) {
  expect_equal<float, float>(
      context(), [&](auto x, auto y) { copy(context(), x, y); },
      [&](auto x, auto y) { ref::copy(cpu(), x, y); }, 0);
}

TEST_F(GpuElementwise, Fill) {
  expect_equal<float, float>(
      context(), [&](auto, auto y) { fill(context(), 3.5F, y); },
      [&](auto, auto y) { ref::fill(cpu(), 3.5F, y); }, 0);
}

TEST_F(GpuElementwise, ConvertBothWays) {
  expect_equal<float, bfloat16>(
      context(), [&](auto x, auto y) { convert(context(), x, y); },
      [&](auto x, auto y) { ref::convert(cpu(), x, y); }, 0);
  expect_equal<bfloat16, float>(
      context(), [&](auto x, auto y) { convert(context(), x, y); },
      [&](auto x, auto y) { ref::convert(cpu(), x, y); }, 0);
}

TEST_F(GpuElementwise, ScaleRows) {
  const std::vector<float> scale = test::random_vector(2000, 7);
  test::VectorOnGpu<float> there(context(), scale);
  const auto first = [](std::span<const float> v, Index n) { return v.first(static_cast<std::size_t>(n)); };
  expect_equal<float, float>(
      context(), [&](auto x, auto y) { scale_rows(context(), x, first(there.read(), x.rows), y); },
      [&](auto x, auto y) { ref::scale_rows(cpu(), x, first(scale, x.rows), y); }, 0);
  OnGpu<float> x(context(), Strided<float>::random(9, 47, 1, 3));
  const Strided<float> before = x.back();
  scale_rows(context(), x.read(), first(there.read(), 9), x.view());  // in place
  EXPECT_EQ(x.back().view()(8, 46), before.view()(8, 46) * scale[8]);
}

TEST_F(GpuElementwise, NanAndInfinitySurvive) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  Strided<float> x(1, 4);
  for (Index j = 0; j < 4; ++j)
    x.view()(0, j) = std::array{kNan, kInf, -kInf, 3.4e38F}[static_cast<std::size_t>(j)];
  OnGpu<float> there(context(), x), wide(context(), x);
  OnGpu<bfloat16> narrow(context(), 1, 4, 0);
  convert(context(), there.read(), narrow.view());
  convert(context(), narrow.read(), wide.view());
  const Strided<float> got = wide.back();
  EXPECT_TRUE(std::isnan(got.view()(0, 0)));
  EXPECT_EQ(got.view()(0, 1), kInf);
  EXPECT_EQ(got.view()(0, 2), -kInf);
  EXPECT_EQ(got.view()(0, 3), kInf);  // rounded up
}

TEST_F(GpuElementwise, MaskedScale) {
  for (const Index cols : test::gpu_column_counts()) {
    const Index rows = 23;
    const auto dy = Strided<float>::random(rows, cols, 1, 1);
    PassMask mask(cpu(), rows, cols), there(context(), rows, cols);
    const auto words = static_cast<std::size_t>(rows * mask.words_per_row());
    for (std::size_t w = 0; w < words; ++w) mask.row(0)[w] = 0x9E3779B97F4A7C15ULL * (w + 1);
    device::copy_to_device(context(), std::span<const std::uint64_t>(mask.row(0), words),
                           {there.row(0), words});
    for (const Index gap : {Index{1}, (4 - cols % 4) % 4}) {
      OnGpu<float> x(context(), Strided<float>::random(rows, cols, gap, 1));
      masked_scale(context(), x.read(), there, 1.25F, x.view());  // in place
      Strided<float> expected(rows, cols, gap);
      ref::masked_scale(cpu(), dy.read(), mask, 1.25F, expected.view());
      EXPECT_TRUE(x.back().same_bits(expected)) << cols;
    }
  }
}

TEST_F(GpuElementwise, NothingWaits) {
  OnGpu<float> x(context(), 40, 33, 0), y(context(), 40, 33, 0);
  gpu().reset_counters();
  copy(context(), x.read(), y.view());
  fill(context(), 1, x.view());
  add_scaled(context(), 2, x.read(), y.view());
  EXPECT_EQ(gpu().counters().synchronisations, 0);
  EXPECT_EQ(gpu().counters().launches, 3);
}

}  // namespace
}  // namespace opx::tensor
