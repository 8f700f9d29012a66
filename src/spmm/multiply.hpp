// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Sparse matrix times dense matrix: Y = diag(s) A diag(t) X (the factored normalisation of design.md 4.3).
// Backends: ref/ (serial, obvious), cpu/ (Highway, run-time dispatch to AVX-512, AVX2, baseline).
#pragma once

#include <span>
#include <string>

#include "base/bfloat16.hpp"
#include "device/context.hpp"
#include "spmm/csr.hpp"
#include "tensor/matrix.hpp"

namespace opx::spmm {

struct MultiplyOptions {
  std::span<const float> row_scale{};  ///< s: a.rows, or empty for ones
  std::span<const float> col_scale{};  ///< t: a.cols, or empty for ones
  bool accumulate = false;             ///< Y += instead of Y =
};

/// Y (a.rows x d) = diag(s) A diag(t) X (a.cols x d). X and Y may be strided; they must not overlap. fp32
/// sums. Returns when done; on a GPU, when the work is on the compute stream. Rows without entries give 0.
/// Bit-identical for any number of threads. Throws DimensionMismatch.
void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options = {});
/// bf16 features, fp32 sums and result.
void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const bfloat16> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options = {});

/// Name of the instruction set that this machine dispatches to ("AVX3_ZEN4", "AVX2", ...), for logs and
/// benchmarks.
[[nodiscard]] std::string dispatch_target();

}  // namespace opx::spmm
