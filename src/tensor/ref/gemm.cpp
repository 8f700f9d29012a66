// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/kernels.hpp"

namespace opx::tensor::ref {
namespace {

template <class T>
double element(MatrixView<const T> x, Transpose transpose, Index i, Index j) {
  return static_cast<double>(static_cast<float>(transpose == Transpose::kYes ? x(j, i) : x(i, j)));
}

template <class T>
void multiply(Transpose ta, Transpose tb, float alpha, MatrixView<const T> a, MatrixView<const T> b,
              float beta, MatrixView<float> c) {
  const Index k = ta == Transpose::kYes ? a.rows : a.cols;
  for (Index i = 0; i < c.rows; ++i)
    for (Index j = 0; j < c.cols; ++j) {
      double sum = 0;
      for (Index l = 0; l < k; ++l) sum += element(a, ta, i, l) * element(b, tb, l, j);
      const double old = beta == 0.0F ? 0.0 : static_cast<double>(beta) * static_cast<double>(c(i, j));
      c(i, j) = static_cast<float>(static_cast<double>(alpha) * sum + old);
    }
}

}  // namespace

void gemm(device::Context&, Transpose ta, Transpose tb, float alpha, MatrixView<const float> a,
          MatrixView<const float> b, float beta, MatrixView<float> c) {
  multiply(ta, tb, alpha, a, b, beta, c);
}

void gemm(device::Context&, Transpose ta, Transpose tb, float alpha, MatrixView<const bfloat16> a,
          MatrixView<const bfloat16> b, float beta, MatrixView<float> c) {
  multiply(ta, tb, alpha, a, b, beta, c);
}

}  // namespace opx::tensor::ref
