// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Losses over the labelled rows of one rank; the caller sums over ranks. fp32 logits, fp64 sums. On a GPU all
// spans and views are its memory, and an op that returns a LossSum waits for it.
#pragma once

#include <cstdint>
#include <span>

#include "device/context.hpp"
#include "tensor/matrix.hpp"

namespace opx::tensor {

/// Sum of the loss over the rows used here, and how many terms (rows, or labelled entries for BCE) it has.
struct LossSum {
  double sum = 0;
  Index terms = 0;
};

/// Softmax cross-entropy of row i against class labels[i]; rows with use[i] == 0 or labels[i] < 0 do not
/// count. gradient (if not empty) = scale * (softmax - onehot) on counting rows, 0 elsewhere; it may be the
/// logits. A counting row with a NaN, or whose largest logit is infinite, gives NaN. Bits do not depend on
/// the number of threads (all here). Throws DimensionMismatch, and InvalidArgument for a counting label >=
/// cols. `weights` (rows, or empty for ones): factors of each row's loss and gradient; `terms` counts rows.
LossSum softmax_cross_entropy(device::Context& context, MatrixView<const float> logits,
                              std::span<const std::int32_t> labels, std::span<const std::uint8_t> use,
                              double scale, MatrixView<float> gradient, std::span<const float> weights = {});

/// Sigmoid binary cross-entropy per task; targets rows x tasks with values 0, 1, or anything not finite for
/// unlabelled (that entry does not count). gradient (if not empty) = scale * (sigmoid - target) on counting
/// entries, 0 elsewhere; it may be the logits. A NaN logit gives NaN. Throws DimensionMismatch. `weights` as
/// above.
LossSum sigmoid_bce(device::Context& context, MatrixView<const float> logits, MatrixView<const float> targets,
                    std::span<const std::uint8_t> use, double scale, MatrixView<float> gradient,
                    std::span<const float> weights = {});

/// In place: each row becomes its softmax, or each entry its sigmoid.
void softmax_rows(device::Context& context, MatrixView<float> x);
void sigmoid(device::Context& context, MatrixView<float> x);
/// Column of each row's largest entry (the lowest one on ties; NaN never wins; 0 where all are NaN).
void argmax_rows(device::Context& context, MatrixView<const float> x, std::span<std::int32_t> best);

}  // namespace opx::tensor
