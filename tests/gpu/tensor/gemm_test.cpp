// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/gemm.hpp"

#include <limits>

#include "support/gpu_matrices.hpp"
#include "tensor/gpu/gemm_pieces.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

using test::OnGpu;
using test::Strided;

struct Product {
  Index m, n, k, gap;
  float alpha, beta;
};

class GpuGemm : public opx::test::GpuTest {
 protected:
  template <class T>
  void expect_product(const Product& p, Transpose ta, Transpose tb) {
    const bool at = ta == Transpose::kYes, bt = tb == Transpose::kYes;
    const auto a = Strided<T>::random(at ? p.k : p.m, at ? p.m : p.k, p.gap, 1);
    const auto b = Strided<T>::random(bt ? p.n : p.k, bt ? p.k : p.n, p.gap + 1, 2);
    auto c = Strided<float>::random(p.m, p.n, p.gap, 3);
    if (p.beta == 0.0F)
      for (Index i = 0; i < p.m; ++i) c.view()(i, i % p.n) = std::numeric_limits<float>::quiet_NaN();
    OnGpu<T> there_a(context(), a), there_b(context(), b);
    OnGpu<float> there_c(context(), c);
    gpu().reset_counters();
    gemm(context(), ta, tb, p.alpha, there_a.read(), there_b.read(), p.beta, there_c.view());
    EXPECT_EQ(gpu().counters().synchronisations, 0);
    ref::gemm(context().host(), ta, tb, p.alpha, a.read(), b.read(), p.beta, c.view());
    const Strided<float> got = there_c.back();
    EXPECT_LT(test::worst_difference(got.read(), c.read()), 1e-5)
        << p.m << " x " << p.n << " x " << p.k << (at ? " A^T" : "") << (bt ? " B^T" : "");
    EXPECT_TRUE(got.guards_intact());
  }
  template <class T>
  void expect_products() {
    for (const Product& p :
         {Product{1, 1, 1, 0, 1, 0}, Product{33, 7, 47, 0, 1, 0}, Product{19, 64, 100, 3, 0.5F, 2},
          Product{100, 16, 1, 4, 1, 1}, Product{3, 130, 257, 8, -1, 0}})
      for (const Transpose ta : {Transpose::kNo, Transpose::kYes})
        for (const Transpose tb : {Transpose::kNo, Transpose::kYes}) expect_product<T>(p, ta, tb);
  }
};

TEST_F(GpuGemm, EqualsReference) { expect_products<float>(); }
TEST_F(GpuGemm, Bfloat16EqualsReference) { expect_products<bfloat16>(); }

// What keeps cuBLASLt's operands below 2^31 elements, here below a few dozen.
TEST_F(GpuGemm, PiecesGiveTheWhole) {
  for (const Index most : {1, 30, 100, 1000}) {
    for (const bool at : {false, true}) {
      for (const bool bt : {false, true}) {
        const Index m = 19, n = 6, k = 23;
        const auto a = Strided<float>::random(at ? k : m, at ? m : k, 2, 1);
        const auto b = Strided<float>::random(bt ? n : k, bt ? k : n, 1, 2);
        auto whole = Strided<float>::random(m, n, 1, 3), pieces = whole;
        const Transpose ta = at ? Transpose::kYes : Transpose::kNo,
                        tb = bt ? Transpose::kYes : Transpose::kNo;
        ref::gemm(context().host(), ta, tb, 0.5F, a.read(), b.read(), 2, whole.view());
        Index calls = 0;
        gpu::for_each_piece({.m = m,
                             .k = k,
                             .n = n,
                             .lda = a.read().ld,
                             .ldb = b.read().ld,
                             .ldc = whole.read().ld,
                             .transpose_a = at,
                             .transpose_b = bt},
                            most, [&](const gpu::Piece& p) {
                              ++calls;
                              ref::gemm(context().host(), ta, tb, 0.5F, p.a(a.read()), p.b(b.read()),
                                        p.beta(2), p.c(pieces.view()));
                            });
        EXPECT_LT(test::worst_difference(pieces.read(), whole.read()), 1e-5) << most;
        EXPECT_EQ(calls == 1, most == 1000) << most;
      }
    }
  }
}

TEST_F(GpuGemm, AnEmptyContractionScales) {
  OnGpu<float> a(context(), 3, 0, 0), b(context(), 0, 5, 0), c(context(), Strided<float>::random(3, 5, 1, 1));
  const Strided<float> before = c.back();
  gemm(context(), Transpose::kNo, Transpose::kNo, 1, a.read(), b.read(), 2, c.view());
  EXPECT_EQ(c.back().view()(2, 4), 2 * before.view()(2, 4));
  gemm(context(), Transpose::kNo, Transpose::kNo, 1, a.read(), b.read(), 0, c.view());
  EXPECT_EQ(c.back().view()(2, 4), 0);
}

TEST_F(GpuGemm, TwiceTheSameBits) {
  const auto a = Strided<float>::random(300, 33, 0, 1), b = Strided<float>::random(300, 20, 0, 2);
  OnGpu<float> there_a(context(), a), there_b(context(), b), once(context(), 33, 20, 0),
      again(context(), 33, 20, 0);
  gemm(context(), Transpose::kYes, Transpose::kNo, 1, there_a.read(), there_b.read(), 0, once.view());
  gemm(context(), Transpose::kYes, Transpose::kNo, 1, there_a.read(), there_b.read(), 0, again.view());
  EXPECT_TRUE(once.back().same_bits(again.back()));
}

}  // namespace
}  // namespace opx::tensor
