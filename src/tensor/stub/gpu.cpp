// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The gpu backend of a build without GPU kernels of this module.
#include "tensor/kernels.hpp"

namespace opx::tensor::gpu {
namespace {

[[noreturn]] void refuse() { throw base::NotCompiled("this build has no GPU kernels of module tensor"); }

}  // namespace

void gemm(device::Context&, Transpose, Transpose, float, MatrixView<const float>, MatrixView<const float>,
          float, MatrixView<float>) {
  refuse();
}
void gemm(device::Context&, Transpose, Transpose, float, MatrixView<const bfloat16>,
          MatrixView<const bfloat16>, float, MatrixView<float>) {
  refuse();
}
void epilogue_forward(device::Context&, MatrixView<const float>, const Epilogue&, MatrixView<const float>,
                      MatrixView<float>, PassMask*, const RowMoments*) {
  refuse();
}
void epilogue_backward(device::Context&, MatrixView<const float>, MatrixView<const float>, const Epilogue&,
                       const PassMask&, const RowMoments*, MatrixView<float>, const EpilogueGradients&) {
  refuse();
}
void column_sums(device::Context&, MatrixView<const float>, std::span<const float>, Index,
                 std::span<const double>, std::span<double>, std::span<double>) {
  refuse();
}
void batch_norm_backward(device::Context&, MatrixView<const float>, const Epilogue&, std::span<const float>,
                         std::span<const float>, Index, Index, MatrixView<float>) {
  refuse();
}
void masked_scale(device::Context&, MatrixView<const float>, const PassMask&, float, MatrixView<float>) {
  refuse();
}
void add_scaled(device::Context&, float, MatrixView<const float>, MatrixView<float>) { refuse(); }
void fill(device::Context&, float, MatrixView<float>) { refuse(); }
void copy(device::Context&, MatrixView<const float>, MatrixView<float>) { refuse(); }
void convert(device::Context&, MatrixView<const float>, MatrixView<bfloat16>) { refuse(); }
void convert(device::Context&, MatrixView<const bfloat16>, MatrixView<float>) { refuse(); }
void scale_rows(device::Context&, MatrixView<const float>, std::span<const float>, MatrixView<float>) {
  refuse();
}
LossSum softmax_cross_entropy(device::Context&, MatrixView<const float>, std::span<const std::int32_t>,
                              std::span<const std::uint8_t>, double, MatrixView<float>,
                              std::span<const float>) {
  refuse();
}
LossSum sigmoid_bce(device::Context&, MatrixView<const float>, MatrixView<const float>,
                    std::span<const std::uint8_t>, double, MatrixView<float>, std::span<const float>) {
  refuse();
}
void softmax_rows(device::Context&, MatrixView<float>) { refuse(); }
void sigmoid(device::Context&, MatrixView<float>) { refuse(); }
void argmax_rows(device::Context&, MatrixView<const float>, std::span<std::int32_t>) { refuse(); }
void sgd_step(device::Context&, const SgdFactors&, std::span<const float>, std::span<float>,
              std::span<float>) {
  refuse();
}
void adam_step(device::Context&, const AdamFactors&, std::span<const float>, std::span<float>,
               std::span<float>, std::span<float>) {
  refuse();
}
double sum_of_squares(device::Context&, std::span<const float>) { refuse(); }
double inner_product(device::Context&, MatrixView<const float>, MatrixView<const float>) { refuse(); }
void gather_rows(device::Context&, MatrixView<const float>, std::span<const std::int32_t>,
                 MatrixView<float>) {
  refuse();
}

}  // namespace opx::tensor::gpu
