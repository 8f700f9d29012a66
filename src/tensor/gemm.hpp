// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Dense matrix product. Backends: ref/ (obvious loops), cpu/ (oneDNN or CBLAS by build option).
#pragma once

#include "base/bfloat16.hpp"
#include "device/context.hpp"
#include "tensor/matrix.hpp"

namespace opx::tensor {

enum class Transpose : bool { kNo = false, kYes = true };

/// C = alpha op(A) op(B) + beta C, fp32. op(A) is m x k, op(B) k x n, C m x n; any may be a strided view;
/// beta == 0 ignores what C held (NaN too). C must not overlap A or B. The work is cut into blocks by shape
/// alone, so the bits do not depend on the number of threads. Throws DimensionMismatch.
void gemm(device::Context& context, Transpose transpose_a, Transpose transpose_b, float alpha,
          MatrixView<const float> a, MatrixView<const float> b, float beta, MatrixView<float> c);

/// The same with bf16 factors and fp32 sums and result (in blocks converted to fp32 where the machine has no
/// bf16 GEMM).
void gemm(device::Context& context, Transpose transpose_a, Transpose transpose_b, float alpha,
          MatrixView<const bfloat16> a, MatrixView<const bfloat16> b, float beta, MatrixView<float> c);

}  // namespace opx::tensor
