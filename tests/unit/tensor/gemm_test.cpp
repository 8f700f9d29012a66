// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/gemm.hpp"

#include <limits>
#include <tuple>

#include "support/matrices.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

using test::Strided;
using test::worst_difference;

struct Shape {
  Index m, n, k;
};

// Rows only, contraction cut in pieces, both short, and everything degenerate.
const std::vector<Shape> kShapes = {{1, 1, 1},   {0, 5, 3},    {5, 0, 3},     {5, 3, 0},      {7, 41, 13},
                                    {64, 47, 1}, {130, 1, 17}, {1031, 47, 5}, {17, 9, 20011}, {257, 128, 64}};

// fp32 sums of k terms of order one against fp64.
double tolerance(Shape s) { return s.k > 10000 ? 2e-4 : 2e-5; }

template <class T>
void check_against_reference(Shape s, Transpose ta, Transpose tb, float alpha, float beta, double tolerance) {
  const bool at = ta == Transpose::kYes, bt = tb == Transpose::kYes;
  const auto a = Strided<T>::random(at ? s.k : s.m, at ? s.m : s.k, 3, 1);
  const auto b = Strided<T>::random(bt ? s.n : s.k, bt ? s.k : s.n, 5, 2);
  auto expected = Strided<float>::random(s.m, s.n, 2, 3), got = expected;
  device::Context context({.threads = 2});
  ref::gemm(context, ta, tb, alpha, a.read(), b.read(), beta, expected.view());
  gemm(context, ta, tb, alpha, a.read(), b.read(), beta, got.view());
  EXPECT_LT(worst_difference(got.read(), expected.read()), tolerance)
      << s.m << " x " << s.n << " x " << s.k << ' ' << at << bt;
  EXPECT_TRUE(got.guards_intact());
}

TEST(Gemm, EqualsReference) {
  for (const Shape& s : kShapes)
    for (const Transpose ta : {Transpose::kNo, Transpose::kYes})
      for (const Transpose tb : {Transpose::kNo, Transpose::kYes})
        for (const auto& [alpha, beta] : {std::pair{1.0F, 0.0F}, {0.5F, 1.0F}, {-2.0F, 0.25F}})
          check_against_reference<float>(s, ta, tb, alpha, beta, tolerance(s));
}

TEST(Gemm, Bf16EqualsReferenceOnTheRoundedFactors) {
  for (const Shape& s : kShapes)
    for (const Transpose ta : {Transpose::kNo, Transpose::kYes})
      for (const Transpose tb : {Transpose::kNo, Transpose::kYes})
        for (const auto& [alpha, beta] : {std::pair{1.0F, 0.0F}, {-2.0F, 0.25F}})
          check_against_reference<bfloat16>(s, ta, tb, alpha, beta, tolerance(s));
}

TEST(Gemm, BetaZeroIgnoresNan) {
  device::Context context({.threads = 2});
  for (const Index k : {Index{0}, Index{5}, Index{20000}}) {
    const auto a = Strided<float>::random(4, k, 0, 1), b = Strided<float>::random(k, 3, 0, 2);
    Strided<float> c(4, 3), expected(4, 3);
    fill(context, std::numeric_limits<float>::quiet_NaN(), c.view());
    gemm(context, Transpose::kNo, Transpose::kNo, 1, a.read(), b.read(), 0, c.view());
    ref::gemm(context, Transpose::kNo, Transpose::kNo, 1, a.read(), b.read(), 0, expected.view());
    EXPECT_LT(worst_difference(c.read(), expected.read()), 2e-4) << k;
  }
}

TEST(Gemm, BitsDoNotDependOnThreads) {
  for (const Shape& s : {Shape{5003, 47, 128}, Shape{128, 47, 50021}}) {
    const auto a = Strided<float>::random(s.m, s.k, 0, 1), b = Strided<float>::random(s.k, s.n, 0, 2);
    Strided<float> one(s.m, s.n), four(s.m, s.n);
    device::Context serial({.threads = 1}), parallel({.threads = 4});
    gemm(serial, Transpose::kNo, Transpose::kNo, 1, a.read(), b.read(), 0, one.view());
    gemm(parallel, Transpose::kNo, Transpose::kNo, 1, a.read(), b.read(), 0, four.view());
    EXPECT_TRUE(one.same_bits(four)) << s.m;
  }
}

TEST(Gemm, RejectsShapesThatDoNotFit) {
  device::Context context({.threads = 1});
  Strided<float> a(4, 5), b(5, 3), c(4, 3), wrong(4, 4);
  EXPECT_THROW(gemm(context, Transpose::kYes, Transpose::kNo, 1, a.read(), b.read(), 0, c.view()),
               base::DimensionMismatch);
  EXPECT_THROW(gemm(context, Transpose::kNo, Transpose::kNo, 1, a.read(), b.read(), 0, wrong.view()),
               base::DimensionMismatch);
  try {
    gemm(context, Transpose::kNo, Transpose::kYes, 1, a.read(), b.read(), 0, c.view());
    FAIL();
  } catch (const base::DimensionMismatch& e) {
    EXPECT_NE(std::string(e.what()).find("4 x 5"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace opx::tensor
