// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <mutex>

#include <cblas.h>

#include "base/error.hpp"
#include "tensor/cpu/block_gemm.hpp"

// Only OpenBLAS has it; with another CBLAS the address is null.
extern "C" void openblas_set_num_threads(int) __attribute__((weak));

namespace opx::tensor::cpu {
namespace {

int blas_int(Index n) {
  OPX_REQUIRE(n <= std::numeric_limits<int>::max(), InvalidArgument,
              "a dimension of {} is too large for CBLAS", n);
  return static_cast<int>(n);
}

CBLAS_TRANSPOSE flag(Transpose t) { return t == Transpose::kYes ? CblasTrans : CblasNoTrans; }

// Threads are ours; a pool inside OpenBLAS would compete with them.
void keep_to_one_thread() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (openblas_set_num_threads != nullptr) openblas_set_num_threads(1);
  });
}

}  // namespace

void block_gemm(Transpose ta, Transpose tb, float alpha, MatrixView<const float> a, MatrixView<const float> b,
                float beta, MatrixView<float> c) {
  keep_to_one_thread();
  const Index k = ta == Transpose::kYes ? a.rows : a.cols;
  cblas_sgemm(CblasRowMajor, flag(ta), flag(tb), blas_int(c.rows), blas_int(c.cols), blas_int(k), alpha,
              a.data, blas_int(a.ld), b.data, blas_int(b.ld), beta, c.data, blas_int(c.ld));
}

bool block_gemm(Transpose, Transpose, float, MatrixView<const bfloat16>, MatrixView<const bfloat16>, float,
                MatrixView<float>) {
  return false;
}

}  // namespace opx::tensor::cpu
