// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The gpu backend of a build without GPU kernels of this module.
#include "parallel/self_normalise.hpp"

namespace opx::parallel::detail::gpu {
namespace {

[[noreturn]] void refuse() { throw base::NotCompiled("this build has no GPU kernels of module parallel"); }

}  // namespace

void row_factors(device::Context&, std::span<const float>, std::span<const float>,
                 tensor::MatrixView<const float>, std::span<float>) {
  refuse();
}
void add_isolated_rows(device::Context&, tensor::MatrixView<const float>, std::span<const float>, Index*) {
  refuse();
}
void mix_rows(device::Context&, std::span<const float>, std::span<const float>,
              tensor::MatrixView<const float>, tensor::MatrixView<float>, bool) {
  refuse();
}

}  // namespace opx::parallel::detail::gpu
