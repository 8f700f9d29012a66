// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/multiply.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "spmm/kernels.hpp"
#include "tensor/targets.hpp"
#include "unit/spmm/random_csr.hpp"

namespace opx::spmm {
namespace {

using testing::draw;
using testing::HostCsr;
using testing::random_csr;

constexpr float kGuard = 1234.5F;

// rows x cols features at a chosen stride and misalignment; what lies between the rows is NaN in X (never to
// be used) and a guard value in Y (never to be written).
template <class T>
struct Features {
  Features(Index rows, Index cols, Index ld, Index shift, std::uint64_t seed, float between)
      : store(static_cast<std::size_t>(rows * ld + shift), T(between)),
        view(store.data() + shift, rows, cols, ld) {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) view(i, j) = T(draw(seed, i, static_cast<std::uint32_t>(j)));
  }
  [[nodiscard]] tensor::MatrixView<const T> in() const { return view; }
  std::vector<T> store;
  tensor::MatrixView<T> view;
};

struct Case {
  Index rows, cols, degree, hub, hub_degree;
};

struct Form {
  bool valued, row_scale, col_scale, accumulate;
};

std::vector<float> draws(std::uint64_t seed, Index n) {
  std::vector<float> v;
  for (Index i = 0; i < n; ++i) v.push_back(draw(seed, i));
  return v;
}

// Sums of n terms of size at most one: a few roundings of the largest partial sum.
double tolerance(Index longest) { return 4e-7 * std::sqrt(static_cast<double>(longest) + 1) * 8; }

template <class T>
void check(device::Context& context, const HostCsr& a, Form form, Index d, Index pad, Index shift,
           Index longest) {
  const Features<T> x(a.cols, d, d + pad, shift, 5, std::numeric_limits<float>::quiet_NaN());
  Features<float> y(a.rows, d, d + 2 * pad, shift, 6, kGuard);
  Features<float> expected = y;
  expected.view.data = expected.store.data() + shift;
  const auto row_scale = draws(21, form.row_scale ? a.rows : 0),
             col_scale = draws(22, form.col_scale ? a.cols : 0);
  const MultiplyOptions options{row_scale, col_scale, form.accumulate};
  ref::multiply(context, a.view(), x.in(), expected.view, options);
  multiply(context, a.view(), x.in(), y.view, options);
  const double bound = tolerance(longest);
  for (std::size_t k = 0; k < y.store.size(); ++k)
    ASSERT_NEAR(y.store[k], expected.store[k], bound)
        << "element " << k << ", d " << d << ", ld " << d + 2 * pad;
}

// Every instruction set of this machine is forced in turn.
class Multiply : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { tensor::force_target(GetParam()); }
  void TearDown() override { tensor::force_target(""); }
  device::Context context_{{.threads = 2}};
};

INSTANTIATE_TEST_SUITE_P(Targets, Multiply, ::testing::ValuesIn(tensor::available_targets()),
                         [](const auto& target) { return target.param; });

TEST_P(Multiply, TargetIsTheForcedOne) { EXPECT_EQ(dispatch_target(), GetParam()); }

TEST_P(Multiply, EveryWidth) {
  const HostCsr a = random_csr(1, 37, 41, 11, false);
  std::vector<Index> widths;
  for (Index d = 1; d <= 130; ++d) widths.push_back(d);
  for (const Index d : {191, 200, 255, 256, 257, 300, 511, 512, 513, 777, 1030}) widths.push_back(d);
  for (const Index d : widths)
    for (const Index pad : {0, 3}) {
      check<float>(context_, a, {false, false, false, false}, d, pad, pad, 11);
      check<bfloat16>(context_, a, {false, false, false, false}, d, pad, pad, 11);
    }
}

TEST_P(Multiply, EveryWidthInRowsOfWholeLines) {
  const HostCsr a = random_csr(9, 37, 41, 11, false);
  for (Index d = 1; d <= 130; ++d) {
    // `pad` for X, twice that for Y: both whole lines.
    const Index pad = ceil_div(d, Index{16}) * 16 - d;
    check<float>(context_, a, {false, true, true, true}, d, pad, 0, 11);
    check<float>(context_, a, {false, false, false, false}, d, pad + 16, 16, 11);
    const Index pad16 = ceil_div(d, Index{32}) * 32 - d;
    check<bfloat16>(context_, a, {false, false, false, false}, d, pad16, 0, 11);
  }
}

TEST_P(Multiply, PaddedRowsGiveTheBitsOfTightOnes) {
  const HostCsr a = random_csr(10, 200, 300, 17, true);
  for (const Index d : {7, 16, 17, 40, 41, 47, 64, 100, 121, 128}) {
    const Index ld = tensor::line_stride<float>(d);
    const Features<float> tight(a.cols, d, d, 0, 5, 0), padded(a.cols, d, ld, 0, 5, 0);
    Features<float> y(a.rows, d, d, 0, 6, 0), z(a.rows, d, ld, 0, 6, 0);
    multiply(context_, a.view(), tight.in(), y.view);
    multiply(context_, a.view(), padded.in(), z.view);
    for (Index i = 0; i < a.rows; ++i)
      ASSERT_EQ(std::memcmp(y.view.row(i), z.view.row(i), static_cast<std::size_t>(d) * sizeof(float)), 0)
          << d << " columns, row " << i;
  }
}

TEST(LineStride, WholeLinesWhereThatIsCheap) {
  EXPECT_EQ(tensor::line_stride<float>(0), 0);
  EXPECT_EQ(tensor::line_stride<float>(7), 7);
  EXPECT_EQ(tensor::line_stride<float>(16), 16);
  EXPECT_EQ(tensor::line_stride<float>(20), 20);
  EXPECT_EQ(tensor::line_stride<float>(40), 48);
  EXPECT_EQ(tensor::line_stride<float>(47), 48);
  EXPECT_EQ(tensor::line_stride<float>(128), 128);
  EXPECT_EQ(tensor::line_stride<bfloat16>(47), 47);
  EXPECT_EQ(tensor::line_stride<bfloat16>(121), 128);
}

TEST_P(Multiply, EveryForm) {
  for (int bits = 0; bits < 16; ++bits) {
    const Form form{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0};
    const HostCsr a = random_csr(2, 53, 29, 7, form.valued);
    for (const Index d : {1, 3, 7, 16, 41, 47, 64, 128, 129, 300}) {
      check<float>(context_, a, form, d, 1, 1, 7);
      check<bfloat16>(context_, a, form, d, 1, 1, 7);
    }
  }
}

TEST_P(Multiply, EverySize) {
  for (const Case& c : {Case{0, 0, 0, -1, 0},
                        {0, 7, 0, -1, 0},
                        {7, 0, 0, -1, 0},
                        {1, 1, 1, -1, 0},
                        {1, 50, 40, -1, 0},
                        {97, 1, 1, -1, 0},
                        {1009, 503, 3, -1, 0},
                        {5000, 3000, 0, -1, 0}})
    for (const Index d : {0, 1, 5, 47}) {
      const HostCsr a = random_csr(3, c.rows, c.cols, c.degree, false);
      check<float>(context_, a, {false, true, true, false}, d, 0, 0, c.degree);
      check<bfloat16>(context_, a, {false, true, true, true}, d, 0, 0, c.degree);
    }
}

TEST_P(Multiply, HubsAreSplit) {
  for (const Index hub : {0, 77, 199}) {
    const HostCsr a = random_csr(4, 200, 60000, 5, true, hub, 50000);
    for (const bool accumulate : {false, true})
      check<float>(context_, a, {true, true, true, accumulate}, 3, 1, 0, 40000);
    check<bfloat16>(context_, a, {true, true, false, true}, 20, 1, 0, 40000);
  }
}

TEST_P(Multiply, SameBitsForAnyNumberOfThreads) {
  const HostCsr a = random_csr(5, 3000, 30000, 13, true, 1234, 60000);
  const Features<float> x(a.cols, 20, 20, 0, 8, 0);
  std::vector<float> first;
  for (const int threads : {1, 2, 3, 7}) {
    device::Context context({.threads = threads});
    Features<float> y(a.rows, 20, 20, 0, 9, 0);
    multiply(context, a.view(), x.in(), y.view, {.accumulate = true});
    if (first.empty()) first = y.store;
    EXPECT_EQ(std::memcmp(first.data(), y.store.data(), first.size() * sizeof(float)), 0)
        << threads << " threads";
  }
}

TEST_P(Multiply, StreamedResultIsTheSame) {
  constexpr Index kRows = 100003, kWidth = 64;  // 25 MB of Y: past the size from which it is streamed
  const HostCsr a = random_csr(6, kRows, 1000, 2, false);
  const Features<float> x(a.cols, kWidth, kWidth, 0, 8, 0);
  device::Buffer<float> aligned(context_, kRows * kWidth);
  multiply(context_, a.view(), x.in(), {aligned.data(), kRows, kWidth});
  Features<float> y(kRows, kWidth, kWidth + 1, 0, 9, 0);
  multiply(context_, a.view(), x.in(), y.view);
  for (Index i = 0; i < kRows; ++i)
    ASSERT_EQ(std::memcmp(aligned.data() + i * kWidth, y.view.row(i), kWidth * sizeof(float)), 0)
        << "row " << i;
}

TEST_P(Multiply, NanInUnusedRowsDoesNotSpread) {
  const HostCsr a{2, 3, {0, 1, 1}, {2}, {}};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{nan, nan, nan, nan, 1, 2};
  std::vector<float> y{nan, nan, nan, nan};
  multiply(context_, a.view(), tensor::MatrixView<const float>{x.data(), 3, 2}, {y.data(), 2, 2});
  EXPECT_THAT(y, ::testing::ElementsAre(1, 2, 0, 0));
}

TEST(MultiplyErrors, NameTheShapes) {
  device::Context context({.threads = 1});
  const HostCsr a = random_csr(1, 3, 4, 2, false);
  std::vector<float> memory(100);
  const auto call = [&](Index x_rows, Index x_cols, Index y_rows, Index y_cols,
                        const MultiplyOptions& options) {
    multiply(context, a.view(), tensor::MatrixView<const float>{memory.data(), x_rows, x_cols},
             {memory.data() + 50, y_rows, y_cols}, options);
  };
  const std::vector<float> two(2);
  EXPECT_NO_THROW(call(4, 2, 3, 2, {}));
  EXPECT_THROW(call(5, 2, 3, 2, {}), base::DimensionMismatch);
  EXPECT_THROW(call(4, 2, 4, 2, {}), base::DimensionMismatch);
  EXPECT_THROW(call(4, 2, 3, 3, {}), base::DimensionMismatch);
  EXPECT_THROW(call(4, 2, 3, 2, {.row_scale = two}), base::DimensionMismatch);
  EXPECT_THROW(call(4, 2, 3, 2, {.col_scale = two}), base::DimensionMismatch);
  EXPECT_THROW(multiply(context, a.view(), tensor::MatrixView<const float>{memory.data(), 4, 2},
                        {memory.data(), 3, 2}),
               base::InvalidArgument);
  EXPECT_THROW(tensor::force_target("no such set"), base::InvalidArgument);
}

}  // namespace
}  // namespace opx::spmm
