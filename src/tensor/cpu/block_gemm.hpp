// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One block of a GEMM on the calling thread alone, by the vendor library of the build (oneDNN or CBLAS).
// gemm.cpp cuts the product into blocks and spreads them over threads, so the result does not depend on their
// number.
#pragma once

#include "base/bfloat16.hpp"
#include "tensor/gemm.hpp"

namespace opx::tensor::cpu {

/// C = alpha op(A) op(B) + beta C; no dimension is 0.
void block_gemm(Transpose ta, Transpose tb, float alpha, MatrixView<const float> a, MatrixView<const float> b,
                float beta, MatrixView<float> c);

/// The same for bf16 factors. False, with C untouched, where the library has none for this machine.
[[nodiscard]] bool block_gemm(Transpose ta, Transpose tb, float alpha, MatrixView<const bfloat16> a,
                              MatrixView<const bfloat16> b, float beta, MatrixView<float> c);

}  // namespace opx::tensor::cpu
