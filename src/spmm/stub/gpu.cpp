// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The gpu backend of a build without GPU kernels of this module.
#include "base/error.hpp"
#include "spmm/kernels.hpp"

namespace opx::spmm::gpu {
namespace {

[[noreturn]] void refuse() { throw base::NotCompiled("this build has no GPU kernels of module spmm"); }

}  // namespace

void multiply(device::Context&, const CsrView&, tensor::MatrixView<const float>, tensor::MatrixView<float>,
              const MultiplyOptions&) {
  refuse();
}
void multiply(device::Context&, const CsrView&, tensor::MatrixView<const bfloat16>, tensor::MatrixView<float>,
              const MultiplyOptions&) {
  refuse();
}

}  // namespace opx::spmm::gpu
