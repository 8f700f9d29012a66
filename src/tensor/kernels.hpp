// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One signature per kernel for every backend: ref/ (serial, obvious, fp64 inside: the oracle), cpu/ (threads,
// Highway), and gpu (for a Context on a GPU; stub/gpu.cpp refuses where the build has no such kernels).
// Arguments were checked by the op of the same name; private to this module and its tests.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/elementwise.hpp"
#include "tensor/gemm.hpp"
#include "tensor/loss.hpp"
#include "tensor/update.hpp"

namespace opx::tensor {

template <class T>
using GemmKernel = void(device::Context&, Transpose, Transpose, float alpha, MatrixView<const T> a,
                        MatrixView<const T> b, float beta, MatrixView<float> c);

using EpilogueForward = void(device::Context&, MatrixView<const float> q, const Epilogue&,
                             MatrixView<const float> residual, MatrixView<float> y, PassMask* mask,
                             const RowMoments* moments);
using EpilogueBackward = void(device::Context&, MatrixView<const float> dy, MatrixView<const float> q,
                              const Epilogue&, const PassMask& mask, const RowMoments* moments,
                              MatrixView<float> dq, const EpilogueGradients&);
using ColumnSums = void(device::Context&, MatrixView<const float> q, std::span<const float> bias,
                        Index valid_rows, std::span<const double> shift, std::span<double> sum,
                        std::span<double> sum_squares);
using BatchNormBackward = void(device::Context&, MatrixView<const float> q, const Epilogue&,
                               std::span<const float> sum_gamma, std::span<const float> sum_beta, Index count,
                               Index valid_rows, MatrixView<float> dq);
using MaskedScale = void(device::Context&, MatrixView<const float> dy, const PassMask& mask, float scale,
                         MatrixView<float> dx);
using AddScaled = void(device::Context&, float alpha, MatrixView<const float> x, MatrixView<float> y);
using Fill = void(device::Context&, float value, MatrixView<float> y);
template <class From, class To>
using Convert = void(device::Context&, MatrixView<const From> x, MatrixView<To> y);
using ScaleRows = void(device::Context&, MatrixView<const float> x, std::span<const float> scale,
                       MatrixView<float> y);

using SoftmaxCrossEntropy = LossSum(device::Context&, MatrixView<const float> logits,
                                    std::span<const std::int32_t> labels, std::span<const std::uint8_t> use,
                                    double scale, MatrixView<float> gradient, std::span<const float> weights);
using SigmoidBce = LossSum(device::Context&, MatrixView<const float> logits, MatrixView<const float> targets,
                           std::span<const std::uint8_t> use, double scale, MatrixView<float> gradient,
                           std::span<const float> weights);
using RowsInPlace = void(device::Context&, MatrixView<float> x);
using ArgmaxRows = void(device::Context&, MatrixView<const float> x, std::span<std::int32_t> best);

/// A step's factors as every backend takes them, rounded once by the op.
struct SgdFactors {
  float learning_rate, momentum, weight_decay, gradient_scale;
};
/// g = gradient_scale gradient + coupled value; moments by beta and rest = 1 - beta; value = kept value -
/// step_size first / (sqrt(second) root + epsilon).
struct AdamFactors {
  float step_size, root, beta1, beta2, rest1, rest2, epsilon, coupled, kept, gradient_scale;
};
using SgdStepKernel = void(device::Context&, const SgdFactors&, std::span<const float> gradient,
                           std::span<float> value, std::span<float> momentum);
using AdamStepKernel = void(device::Context&, const AdamFactors&, std::span<const float> gradient,
                            std::span<float> value, std::span<float> first, std::span<float> second);
using SumOfSquares = double(device::Context&, std::span<const float> values);
using InnerProduct = double(device::Context&, MatrixView<const float> a, MatrixView<const float> b);
using GatherRows = void(device::Context&, MatrixView<const float> from, std::span<const std::int32_t> rows,
                        MatrixView<float> to);

namespace ref {
GemmKernel<float> gemm;
GemmKernel<bfloat16> gemm;
EpilogueForward epilogue_forward;
EpilogueBackward epilogue_backward;
ColumnSums column_sums;
BatchNormBackward batch_norm_backward;
MaskedScale masked_scale;
AddScaled add_scaled;
Fill fill;
Convert<float, float> copy;
Convert<float, bfloat16> convert;
Convert<bfloat16, float> convert;
ScaleRows scale_rows;
SoftmaxCrossEntropy softmax_cross_entropy;
SigmoidBce sigmoid_bce;
RowsInPlace softmax_rows;
RowsInPlace sigmoid;
ArgmaxRows argmax_rows;
SgdStepKernel sgd_step;
AdamStepKernel adam_step;
SumOfSquares sum_of_squares;
InnerProduct inner_product;
GatherRows gather_rows;
}  // namespace ref

namespace cpu {
GemmKernel<float> gemm;
GemmKernel<bfloat16> gemm;
EpilogueForward epilogue_forward;
EpilogueBackward epilogue_backward;
ColumnSums column_sums;
BatchNormBackward batch_norm_backward;
MaskedScale masked_scale;
AddScaled add_scaled;
Fill fill;
Convert<float, float> copy;
Convert<float, bfloat16> convert;
Convert<bfloat16, float> convert;
ScaleRows scale_rows;
SoftmaxCrossEntropy softmax_cross_entropy;
SigmoidBce sigmoid_bce;
RowsInPlace softmax_rows;
RowsInPlace sigmoid;
ArgmaxRows argmax_rows;
SgdStepKernel sgd_step;
AdamStepKernel adam_step;
SumOfSquares sum_of_squares;
InnerProduct inner_product;
GatherRows gather_rows;
}  // namespace cpu

namespace gpu {
GemmKernel<float> gemm;
GemmKernel<bfloat16> gemm;
EpilogueForward epilogue_forward;
EpilogueBackward epilogue_backward;
ColumnSums column_sums;
BatchNormBackward batch_norm_backward;
MaskedScale masked_scale;
AddScaled add_scaled;
Fill fill;
Convert<float, float> copy;
Convert<float, bfloat16> convert;
Convert<bfloat16, float> convert;
ScaleRows scale_rows;
SoftmaxCrossEntropy softmax_cross_entropy;
SigmoidBce sigmoid_bce;
RowsInPlace softmax_rows;
RowsInPlace sigmoid;
ArgmaxRows argmax_rows;
SgdStepKernel sgd_step;
AdamStepKernel adam_step;
SumOfSquares sum_of_squares;
InnerProduct inner_product;
GatherRows gather_rows;
}  // namespace gpu

}  // namespace opx::tensor
