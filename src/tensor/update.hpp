// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What a training step does to parameters: the update rules of torch.optim's SGD, Adam and AdamW (without
// amsgrad or nesterov), one pass over a parameter each, and the sum that a gradient's norm is the root of.
// Also rows gathered by number. All spans and views are memory of the Context; nothing communicates.
#pragma once

#include <cstdint>
#include <span>

#include "device/context.hpp"
#include "tensor/matrix.hpp"

namespace opx::tensor {

struct SgdStep {
  double learning_rate = 0, momentum = 0, weight_decay = 0;
  double gradient_scale = 1;  ///< factor of the gradient (clipping)
};

/// value -= learning_rate * g, g = gradient_scale * gradient + weight_decay * value; where `momentum` is not
/// empty, momentum = step.momentum * momentum + g first, and takes g's place. Throws DimensionMismatch.
void sgd_step(device::Context& context, const SgdStep& step, std::span<const float> gradient,
              std::span<float> value, std::span<float> momentum);

struct AdamStep {
  double learning_rate = 0, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0;
  bool decoupled = false;     ///< AdamW: the decay takes from the value, not through the gradient
  std::int64_t step = 1;      ///< its number, from 1
  double gradient_scale = 1;  ///< factor of the gradient (clipping)
};

/// One step of Adam or AdamW; `first` and `second` are the moments' running means (torch's exp_avg and
/// exp_avg_sq), 0 before the first step. Throws DimensionMismatch, and InvalidArgument for a step below 1.
void adam_step(device::Context& context, const AdamStep& step, std::span<const float> gradient,
               std::span<float> value, std::span<float> first, std::span<float> second);

/// In fp64, over ranges that depend on the size alone; on a GPU it waits for the sum.
[[nodiscard]] double sum_of_squares(device::Context& context, std::span<const float> values);

/// Sum of the elementwise product of two matrices of one shape, in fp64 over ranges of rows that depend on
/// the shape alone; on a GPU it waits for the sum. Throws DimensionMismatch.
[[nodiscard]] double inner_product(device::Context& context, MatrixView<const float> a,
                                   MatrixView<const float> b);

/// Row r of `to` becomes row rows[r] of `from`; those where it is negative, and past rows.size(), become 0.
/// Throws DimensionMismatch for other widths or fewer rows in `to`.
void gather_rows(device::Context& context, MatrixView<const float> from, std::span<const std::int32_t> rows,
                 MatrixView<float> to);

}  // namespace opx::tensor
