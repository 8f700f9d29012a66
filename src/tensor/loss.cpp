// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/loss.hpp"

#include "tensor/detail/checks.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {

using detail::require_same_shape;
using detail::require_size;
using detail::require_size_or_empty;

LossSum softmax_cross_entropy(device::Context& context, MatrixView<const float> logits,
                              std::span<const std::int32_t> labels, std::span<const std::uint8_t> use,
                              double scale, MatrixView<float> gradient, std::span<const float> weights) {
  require_size("softmax_cross_entropy", "labels", labels.size(), logits.rows);
  require_size("softmax_cross_entropy", "use", use.size(), logits.rows);
  require_size_or_empty("softmax_cross_entropy", "weights", weights.size(), logits.rows);
  if (gradient.data != nullptr) require_same_shape("softmax_cross_entropy, gradient", logits, gradient);
  return context.on_gpu()
             ? gpu::softmax_cross_entropy(context, logits, labels, use, scale, gradient, weights)
             : cpu::softmax_cross_entropy(context, logits, labels, use, scale, gradient, weights);
}

LossSum sigmoid_bce(device::Context& context, MatrixView<const float> logits, MatrixView<const float> targets,
                    std::span<const std::uint8_t> use, double scale, MatrixView<float> gradient,
                    std::span<const float> weights) {
  require_same_shape("sigmoid_bce, targets", logits, targets);
  require_size("sigmoid_bce", "use", use.size(), logits.rows);
  require_size_or_empty("sigmoid_bce", "weights", weights.size(), logits.rows);
  if (gradient.data != nullptr) require_same_shape("sigmoid_bce, gradient", logits, gradient);
  return context.on_gpu() ? gpu::sigmoid_bce(context, logits, targets, use, scale, gradient, weights)
                          : cpu::sigmoid_bce(context, logits, targets, use, scale, gradient, weights);
}

void softmax_rows(device::Context& context, MatrixView<float> x) {
  context.on_gpu() ? gpu::softmax_rows(context, x) : cpu::softmax_rows(context, x);
}

void sigmoid(device::Context& context, MatrixView<float> x) {
  context.on_gpu() ? gpu::sigmoid(context, x) : cpu::sigmoid(context, x);
}

void argmax_rows(device::Context& context, MatrixView<const float> x, std::span<std::int32_t> best) {
  require_size("argmax_rows", "best", best.size(), x.rows);
  context.on_gpu() ? gpu::argmax_rows(context, x, best) : cpu::argmax_rows(context, x, best);
}

}  // namespace opx::tensor
