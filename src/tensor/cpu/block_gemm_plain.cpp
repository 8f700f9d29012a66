// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// For builds of the kernels alone (OPX_KERNELS_ONLY) on machines without a BLAS: tests compare with it.
#include "tensor/cpu/block_gemm.hpp"

namespace opx::tensor::cpu {

void block_gemm(Transpose ta, Transpose tb, float alpha, MatrixView<const float> a, MatrixView<const float> b,
                float beta, MatrixView<float> c) {
  const Index depth = ta == Transpose::kYes ? a.rows : a.cols;
  for (Index i = 0; i < c.rows; ++i) {
    for (Index j = 0; j < c.cols; ++j) c(i, j) = beta == 0.0F ? 0.0F : beta * c(i, j);
    for (Index k = 0; k < depth; ++k) {
      const float factor = alpha * (ta == Transpose::kYes ? a(k, i) : a(i, k));
      for (Index j = 0; j < c.cols; ++j) c(i, j) += factor * (tb == Transpose::kYes ? b(j, k) : b(k, j));
    }
  }
}

bool block_gemm(Transpose, Transpose, float, MatrixView<const bfloat16>, MatrixView<const bfloat16>, float,
                MatrixView<float>) {
  return false;
}

}  // namespace opx::tensor::cpu
