// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/elementwise.hpp"

#include "tensor/detail/checks.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

using detail::require_same_shape;
using detail::require_size;
using detail::require_size_or_empty;

void check_dropout(const Dropout& dropout, Index rows) {
  OPX_REQUIRE(dropout.rate >= 0.0F && dropout.rate < 1.0F, InvalidArgument,
              "dropout rate {} is not in [0, 1)", dropout.rate);
  OPX_REQUIRE(dropout.col_begin >= 0, InvalidArgument, "dropout: col_begin is {}", dropout.col_begin);
  require_size_or_empty("dropout", "vertices", dropout.vertices.size(), rows);
}

void check_mask(const PassMask& mask, Index rows, Index cols) {
  OPX_REQUIRE(mask.rows() == rows && mask.words_per_row() == ceil_div(cols, 64), DimensionMismatch,
              "the mask has {} rows of {} words, not {} of {}", mask.rows(), mask.words_per_row(), rows,
              ceil_div(cols, 64));
}

void check_epilogue(const Epilogue& e, Index rows, Index cols) {
  require_size_or_empty("epilogue", "bias", e.bias.size(), cols);
  const Index affine = e.norm == Norm::kNone ? 0 : cols;
  require_size("epilogue", "gamma", e.gamma.size(), affine);
  require_size("epilogue", "beta", e.beta.size(), e.norm == Norm::kRms ? 0 : affine);
  const Index batch = e.norm == Norm::kBatch ? cols : 0;
  require_size("epilogue", "batch_mean", e.batch_mean.size(), batch);
  require_size("epilogue", "batch_inverse_std", e.batch_inverse_std.size(), batch);
  check_dropout(e.dropout, rows);
}

void check_moments(const Epilogue& e, const RowMoments& moments, Index rows) {
  const bool row_norm = e.norm == Norm::kLayer || e.norm == Norm::kRms;
  if (e.norm == Norm::kLayer) require_size("epilogue", "moments.mean", moments.mean.size(), rows);
  if (row_norm) require_size("epilogue", "moments.inverse_std", moments.inverse_std.size(), rows);
}

}  // namespace

void dropout_forward(device::Context& context, MatrixView<const float> x, const Dropout& dropout,
                     MatrixView<float> y, PassMask* mask) {
  epilogue_forward(context, x, {.dropout = dropout}, {}, y, mask, nullptr);
}

void masked_scale(device::Context& context, MatrixView<const float> dy, const PassMask& mask, float scale,
                  MatrixView<float> dx) {
  require_same_shape("masked_scale", dy, dx);
  check_mask(mask, dy.rows, dy.cols);
  context.on_gpu() ? gpu::masked_scale(context, dy, mask, scale, dx)
                   : cpu::masked_scale(context, dy, mask, scale, dx);
}

void epilogue_forward(device::Context& context, MatrixView<const float> q, const Epilogue& epilogue,
                      MatrixView<const float> residual, MatrixView<float> y, PassMask* mask,
                      const RowMoments* moments) {
  require_same_shape("epilogue_forward", q, y);
  if (residual.data != nullptr) require_same_shape("epilogue_forward, residual", q, residual);
  check_epilogue(epilogue, q.rows, q.cols);
  if (mask != nullptr) check_mask(*mask, q.rows, q.cols);
  if (moments != nullptr) check_moments(epilogue, *moments, q.rows);
  context.on_gpu() ? gpu::epilogue_forward(context, q, epilogue, residual, y, mask, moments)
                   : cpu::epilogue_forward(context, q, epilogue, residual, y, mask, moments);
}

void epilogue_backward(device::Context& context, MatrixView<const float> dy, MatrixView<const float> q,
                       const Epilogue& epilogue, const PassMask& mask, const RowMoments* moments,
                       MatrixView<float> dq, const EpilogueGradients& gradients) {
  require_same_shape("epilogue_backward", dy, dq);
  check_epilogue(epilogue, dy.rows, dy.cols);
  check_mask(mask, dy.rows, dy.cols);
  require_size_or_empty("epilogue_backward", "bias gradient", gradients.bias.size(), dy.cols);
  require_size_or_empty("epilogue_backward", "gamma gradient", gradients.gamma.size(), dy.cols);
  require_size_or_empty("epilogue_backward", "beta gradient", gradients.beta.size(), dy.cols);
  const bool row_norm = epilogue.norm == Norm::kLayer || epilogue.norm == Norm::kRms;
  OPX_REQUIRE(!row_norm || moments != nullptr, InvalidArgument,
              "epilogue_backward: a row norm needs its moments");
  if (moments != nullptr) check_moments(epilogue, *moments, dy.rows);
  if (epilogue.norm != Norm::kNone) require_same_shape("epilogue_backward, q", dy, q);
  context.on_gpu() ? gpu::epilogue_backward(context, dy, q, epilogue, mask, moments, dq, gradients)
                   : cpu::epilogue_backward(context, dy, q, epilogue, mask, moments, dq, gradients);
}

void column_sums(device::Context& context, MatrixView<const float> q, std::span<const float> bias,
                 Index valid_rows, std::span<const double> shift, std::span<double> sum,
                 std::span<double> sum_squares) {
  OPX_REQUIRE(valid_rows >= 0 && valid_rows <= q.rows, DimensionMismatch, "column_sums: {} valid rows of {}",
              valid_rows, q.rows);
  require_size_or_empty("column_sums", "bias", bias.size(), q.cols);
  require_size_or_empty("column_sums", "shift", shift.size(), q.cols);
  require_size("column_sums", "sum", sum.size(), q.cols);
  require_size_or_empty("column_sums", "sum_squares", sum_squares.size(), q.cols);
  context.on_gpu() ? gpu::column_sums(context, q, bias, valid_rows, shift, sum, sum_squares)
                   : cpu::column_sums(context, q, bias, valid_rows, shift, sum, sum_squares);
}

void batch_norm_backward(device::Context& context, MatrixView<const float> q, const Epilogue& epilogue,
                         std::span<const float> sum_gamma, std::span<const float> sum_beta, Index count,
                         Index valid_rows, MatrixView<float> dq) {
  require_same_shape("batch_norm_backward", q, dq);
  OPX_REQUIRE(epilogue.norm == Norm::kBatch, InvalidArgument, "batch_norm_backward: the norm is not batch");
  OPX_REQUIRE(count > 0, InvalidArgument, "batch_norm_backward: a count of {}", count);
  OPX_REQUIRE(valid_rows >= 0 && valid_rows <= q.rows, DimensionMismatch,
              "batch_norm_backward: {} valid rows of {}", valid_rows, q.rows);
  check_epilogue(epilogue, q.rows, q.cols);
  require_size("batch_norm_backward", "sum_gamma", sum_gamma.size(), q.cols);
  require_size("batch_norm_backward", "sum_beta", sum_beta.size(), q.cols);
  context.on_gpu()
      ? gpu::batch_norm_backward(context, q, epilogue, sum_gamma, sum_beta, count, valid_rows, dq)
      : cpu::batch_norm_backward(context, q, epilogue, sum_gamma, sum_beta, count, valid_rows, dq);
}

void add_scaled(device::Context& context, float alpha, MatrixView<const float> x, MatrixView<float> y) {
  require_same_shape("add_scaled", x, y);
  context.on_gpu() ? gpu::add_scaled(context, alpha, x, y) : cpu::add_scaled(context, alpha, x, y);
}

void copy(device::Context& context, MatrixView<const float> x, MatrixView<float> y) {
  require_same_shape("copy", x, y);
  context.on_gpu() ? gpu::copy(context, x, y) : cpu::copy(context, x, y);
}

void fill(device::Context& context, float value, MatrixView<float> y) {
  context.on_gpu() ? gpu::fill(context, value, y) : cpu::fill(context, value, y);
}

void convert(device::Context& context, MatrixView<const float> x, MatrixView<bfloat16> y) {
  require_same_shape("convert", x, y);
  context.on_gpu() ? gpu::convert(context, x, y) : cpu::convert(context, x, y);
}

void convert(device::Context& context, MatrixView<const bfloat16> x, MatrixView<float> y) {
  require_same_shape("convert", x, y);
  context.on_gpu() ? gpu::convert(context, x, y) : cpu::convert(context, x, y);
}

void scale_rows(device::Context& context, MatrixView<const float> x, std::span<const float> scale,
                MatrixView<float> y) {
  require_same_shape("scale_rows", x, y);
  require_size("scale_rows", "scale", scale.size(), x.rows);
  context.on_gpu() ? gpu::scale_rows(context, x, scale, y) : cpu::scale_rows(context, x, scale, y);
}

}  // namespace opx::tensor
