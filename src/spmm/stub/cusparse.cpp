// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// cuSPARSE where the GPU runtime is not CUDA.
#include "base/error.hpp"
#include "spmm/gpu/variants.hpp"

namespace opx::spmm::gpu {

bool can_cusparse(const CsrView&, Index, bool) noexcept { return false; }

void multiply_cusparse(device::Context&, const CsrView&, tensor::MatrixView<const float>,
                       tensor::MatrixView<float>, const MultiplyOptions&, int) {
  throw base::NotCompiled("this build has no cuSPARSE");
}

}  // namespace opx::spmm::gpu
