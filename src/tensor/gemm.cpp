// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/gemm.hpp"

#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

template <class T>
void checked_gemm(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const T> a,
                  MatrixView<const T> b, float beta, MatrixView<float> c) {
  const bool at = ta == Transpose::kYes, bt = tb == Transpose::kYes;
  const Index m = at ? a.cols : a.rows, k = at ? a.rows : a.cols;
  const Index kb = bt ? b.cols : b.rows, n = bt ? b.rows : b.cols;
  OPX_REQUIRE(k == kb && c.rows == m && c.cols == n, DimensionMismatch,
              "gemm: op(A) is {} x {}, op(B) {} x {}, C {} x {}", m, k, kb, n, c.rows, c.cols);
  if (m == 0 || n == 0) return;
  context.on_gpu() ? gpu::gemm(context, ta, tb, alpha, a, b, beta, c)
                   : cpu::gemm(context, ta, tb, alpha, a, b, beta, c);
}

}  // namespace

void gemm(device::Context& context, Transpose transpose_a, Transpose transpose_b, float alpha,
          MatrixView<const float> a, MatrixView<const float> b, float beta, MatrixView<float> c) {
  checked_gemm(context, transpose_a, transpose_b, alpha, a, b, beta, c);
}

void gemm(device::Context& context, Transpose transpose_a, Transpose transpose_b, float alpha,
          MatrixView<const bfloat16> a, MatrixView<const bfloat16> b, float beta, MatrixView<float> c) {
  checked_gemm(context, transpose_a, transpose_b, alpha, a, b, beta, c);
}

}  // namespace opx::tensor
