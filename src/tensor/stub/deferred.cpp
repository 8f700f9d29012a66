// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The deferred ops of a build without GPU kernels of this module.
#include "tensor/deferred.hpp"

#include "base/error.hpp"

namespace opx::tensor::deferred {
namespace {

[[noreturn]] void refuse() { throw base::NotCompiled("this build has no GPU kernels of module tensor"); }

}  // namespace

void softmax_cross_entropy(device::Context&, MatrixView<const float>, std::span<const std::int32_t>,
                           std::span<const std::uint8_t>, double, MatrixView<float>, std::span<const float>,
                           double*) {
  refuse();
}
void sigmoid_bce(device::Context&, MatrixView<const float>, MatrixView<const float>,
                 std::span<const std::uint8_t>, double, MatrixView<float>, std::span<const float>, double*) {
  refuse();
}
void sum_of_squares(device::Context&, std::span<const float>, double*) { refuse(); }
void inner_product(device::Context&, MatrixView<const float>, MatrixView<const float>, float*) { refuse(); }
void add_one_plus(device::Context&, const float*, MatrixView<const float>, MatrixView<float>) { refuse(); }
void column_sums(device::Context&, MatrixView<const float>, std::span<const float>, Index, const double*,
                 double*, double*, const RowCounts*) {
  refuse();
}
void divide(device::Context&, std::span<double>, double, const RowCounts*) { refuse(); }
void batch_moments(device::Context&, const BatchMoments&) { refuse(); }
void running_moments(device::Context&, const BatchMoments&) { refuse(); }
void batch_norm_backward(device::Context&, MatrixView<const float>, const Epilogue&, std::span<const float>,
                         std::span<const float>, const RowCounts*, MatrixView<float>) {
  refuse();
}
void convert(device::Context&, std::span<const float>, std::span<double>) { refuse(); }
void convert(device::Context&, std::span<const double>, std::span<float>) { refuse(); }
void settle_step(device::Context&, const StepSums&, StepRecord*) { refuse(); }
void fill_tail(device::Context&, const double*, double, double, bool, float*, const StepInputs*) { refuse(); }
void settle_means(device::Context&, const float*, std::span<const float>, std::span<const float>, double,
                  std::span<float>) {
  refuse();
}
void sgd_all(device::Context&, const SgdStep&, const UpdateAll&) { refuse(); }
void adam_all(device::Context&, const AdamStep&, const UpdateAll&) { refuse(); }

}  // namespace opx::tensor::deferred
