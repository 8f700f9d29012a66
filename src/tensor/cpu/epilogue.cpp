// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Spreads the fused passes over threads in ranges that depend on the shape alone, and adds their sums in
// order.
#include <algorithm>
#include <functional>

#include "tensor/cpu/epilogue_rows.hpp"
#include "tensor/cpu/grain.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor::cpu {
namespace {

void fill_padded(std::span<const float> from, float otherwise, Index cols, std::vector<float>& to) {
  to.assign(static_cast<std::size_t>(ceil_div(cols, 64) * 64), otherwise);
  std::copy(from.begin(), from.end(), to.begin());
}

/// Runs body(part, range) over the fixed ranges of `rows`, each with a State of its own; the States come in
/// order.
template <class State, class Body>
std::vector<State> for_ranges(device::Context& context, Index rows, Index cols, const Body& body) {
  const Index parts = ceil_div(rows, row_grain(cols));
  std::vector<State> states(static_cast<std::size_t>(parts), State(cols));
  context.parallel_for(
      parts, [&](Index p) { body(even_range(rows, parts, p), states[static_cast<std::size_t>(p)]); });
  return states;
}

void add_up(const std::vector<GradientSums>& parts, std::vector<double> GradientSums::*which,
            std::span<float> out) {
  for (std::size_t j = 0; j < out.size(); ++j) {
    double sum = 0;
    for (const GradientSums& part : parts) sum += (part.*which)[j];
    out[j] = static_cast<float>(sum);
  }
}

struct ColumnMoments {
  explicit ColumnMoments(Index cols)
      : sum(static_cast<std::size_t>(cols)), squares(static_cast<std::size_t>(cols)) {}
  std::vector<double> sum, squares;
};

}  // namespace

EpilogueColumns::EpilogueColumns(const Epilogue& e, Index cols) {
  fill_padded(e.bias, 0.0F, cols, center);
  std::transform(center.begin(), center.end(), center.begin(), std::negate<>());
  for (std::size_t j = 0; j < e.batch_mean.size(); ++j) center[j] += e.batch_mean[j];
  fill_padded(e.batch_inverse_std, 1.0F, cols, inverse_std);
  fill_padded(e.gamma, 1.0F, cols, gamma);
  fill_padded(e.beta, 0.0F, cols, beta);
}

void epilogue_forward(device::Context& context, MatrixView<const float> q, const Epilogue& epilogue,
                      MatrixView<const float> residual, MatrixView<float> y, PassMask* mask,
                      const RowMoments* moments) {
  const EpilogueColumns columns(epilogue, q.cols);
  const ForwardRows args{q, residual, y, epilogue, columns, mask, moments};
  context.parallel_ranges(q.rows, row_grain(q.cols), [&](Range r) { forward_rows(args, r); });
}

void epilogue_backward(device::Context& context, MatrixView<const float> dy, MatrixView<const float> q,
                       const Epilogue& epilogue, const PassMask& mask, const RowMoments* moments,
                       MatrixView<float> dq, const EpilogueGradients& gradients) {
  const EpilogueColumns columns(epilogue, dy.cols);
  const float scale = static_cast<float>(1 / (1 - static_cast<double>(epilogue.dropout.rate)));
  const BackwardRows args{dy, q, dq, epilogue.norm, scale, columns, mask, moments};
  const auto parts = for_ranges<GradientSums>(
      context, dy.rows, dy.cols, [&](Range r, GradientSums& sums) { backward_rows(args, r, sums); });
  add_up(parts, &GradientSums::bias, gradients.bias);
  add_up(parts, &GradientSums::gamma, gradients.gamma);
  add_up(parts, &GradientSums::beta, gradients.beta);
}

void column_sums(device::Context& context, MatrixView<const float> q, std::span<const float> bias,
                 Index valid_rows, std::span<const double> shift, std::span<double> sum,
                 std::span<double> sum_squares) {
  std::vector<double> offset(static_cast<std::size_t>(q.cols));
  for (std::size_t j = 0; j < offset.size(); ++j)
    offset[j] = (bias.empty() ? 0.0 : static_cast<double>(bias[j])) - (shift.empty() ? 0.0 : shift[j]);
  const auto parts = for_ranges<ColumnMoments>(context, valid_rows, q.cols, [&](Range r, ColumnMoments& m) {
    column_sums_rows(q, offset, r, m.sum, m.squares);
  });
  std::fill(sum.begin(), sum.end(), 0.0);
  std::fill(sum_squares.begin(), sum_squares.end(), 0.0);
  for (const ColumnMoments& part : parts) {
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] += part.sum[j];
    for (std::size_t j = 0; j < sum_squares.size(); ++j) sum_squares[j] += part.squares[j];
  }
}

void batch_norm_backward(device::Context& context, MatrixView<const float> q, const Epilogue& epilogue,
                         std::span<const float> sum_gamma, std::span<const float> sum_beta, Index count,
                         Index valid_rows, MatrixView<float> dq) {
  const EpilogueColumns columns(epilogue, q.cols);
  BatchNormColumns c{columns.center, {}, {}, {}};
  for (std::size_t j = 0; j < sum_gamma.size(); ++j) {
    const double inverse_std = static_cast<double>(epilogue.batch_inverse_std[j]);
    c.factor.push_back(static_cast<float>(inverse_std * static_cast<double>(epilogue.gamma[j])));
    c.mean.push_back(static_cast<float>(static_cast<double>(sum_beta[j]) / static_cast<double>(count)));
    c.slope.push_back(
        static_cast<float>(inverse_std * static_cast<double>(sum_gamma[j]) / static_cast<double>(count)));
  }
  context.parallel_ranges(valid_rows, row_grain(q.cols), [&](Range r) { batch_norm_rows(q, c, r, dq); });
  cpu::fill(context, 0.0F, dq.middle_rows({valid_rows, dq.rows}));
}

void masked_scale(device::Context& context, MatrixView<const float> dy, const PassMask& mask, float scale,
                  MatrixView<float> dx) {
  context.parallel_ranges(dy.rows, row_grain(dy.cols),
                          [&](Range r) { masked_scale_rows(dy, mask, scale, dx, r); });
}

}  // namespace opx::tensor::cpu
