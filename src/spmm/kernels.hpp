// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One signature per kernel, implemented by every backend: ref/ is the serial oracle, cpu/ the fast one, gpu
// for a Context on a GPU (stub/gpu.cpp refuses where the build has no such kernels).
// Arguments have been checked by multiply.cpp and csr.cpp. Private to the module and its tests.
#pragma once

#include "spmm/csr.hpp"
#include "spmm/multiply.hpp"

namespace opx::spmm {

namespace ref {
void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options);
void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const bfloat16> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options);
[[nodiscard]] Csr transpose(device::Context& context, const CsrView& a);
}  // namespace ref

namespace cpu {
void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options);
void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const bfloat16> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options);
void transpose(device::Context& context, const CsrView& a, TransposeScratch& scratch, Csr& to);
}  // namespace cpu

namespace gpu {
void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options);
void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const bfloat16> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options);
}  // namespace gpu

}  // namespace opx::spmm
