// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <vector>

#include "tensor/cpu/grain.hpp"
#include "tensor/cpu/loss_rows.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor::cpu {
namespace {

/// Adds body(range) over the fixed ranges of the matrix, in order.
template <class Body>
LossSum sum_ranges(device::Context& context, MatrixView<const float> logits, const Body& body) {
  const Index parts = ceil_div(logits.rows, row_grain(logits.cols));
  std::vector<LossSum> sums(static_cast<std::size_t>(parts));
  context.parallel_for(
      parts, [&](Index p) { sums[static_cast<std::size_t>(p)] = body(even_range(logits.rows, parts, p)); });
  LossSum total;
  for (const LossSum& s : sums) {
    total.sum += s.sum;
    total.terms += s.terms;
  }
  return total;
}

}  // namespace

LossSum softmax_cross_entropy(device::Context& context, MatrixView<const float> logits,
                              std::span<const std::int32_t> labels, std::span<const std::uint8_t> use,
                              double scale, MatrixView<float> gradient, std::span<const float> weights) {
  const CrossEntropyRows args{logits, labels, use, scale, gradient, weights};
  return sum_ranges(context, logits, [&](Range r) { return cross_entropy_rows(args, r); });
}

LossSum sigmoid_bce(device::Context& context, MatrixView<const float> logits, MatrixView<const float> targets,
                    std::span<const std::uint8_t> use, double scale, MatrixView<float> gradient,
                    std::span<const float> weights) {
  const BceRows args{logits, targets, use, scale, gradient, weights};
  return sum_ranges(context, logits, [&](Range r) { return bce_rows(args, r); });
}

void softmax_rows(device::Context& context, MatrixView<float> x) {
  context.parallel_ranges(x.rows, row_grain(x.cols), [&](Range r) { softmax_range(x, r); });
}

void sigmoid(device::Context& context, MatrixView<float> x) {
  context.parallel_ranges(x.rows, row_grain(x.cols), [&](Range r) { sigmoid_range(x, r); });
}

void argmax_rows(device::Context& context, MatrixView<const float> x, std::span<std::int32_t> best) {
  context.parallel_ranges(x.rows, row_grain(x.cols), [&](Range r) { argmax_range(x, best, r); });
}

}  // namespace opx::tensor::cpu
