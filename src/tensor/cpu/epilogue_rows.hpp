// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The epilogue over a range of rows on one thread (Highway, dispatched at run time); epilogue.cpp spreads the
// ranges. Every norm is one affine form, so one loop serves all:
//   xhat = (q - center_j - mean_i) * (inverse_std_i * inverse_std_j),  v = xhat * gamma_j + beta_j.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "tensor/elementwise.hpp"

namespace opx::tensor::cpu {

/// Per-column arrays, padded with neutral values to a multiple of 64.
struct EpilogueColumns {
  EpilogueColumns(const Epilogue& epilogue, Index cols);
  std::vector<float> center;       ///< what to subtract: -bias, or batch mean - bias
  std::vector<float> inverse_std;  ///< batch norm's, else 1
  std::vector<float> gamma, beta;
};

struct ForwardRows {
  MatrixView<const float> q, residual;
  MatrixView<float> y;
  const Epilogue& epilogue;
  const EpilogueColumns& columns;
  PassMask* mask;
  const RowMoments* moments;
};
void forward_rows(const ForwardRows& args, Range rows);

/// Sums over a range of rows: cols each.
struct GradientSums {
  explicit GradientSums(Index cols)
      : bias(static_cast<std::size_t>(cols)),
        gamma(static_cast<std::size_t>(cols)),
        beta(static_cast<std::size_t>(cols)) {}
  std::vector<double> bias, gamma, beta;
};

struct BackwardRows {
  MatrixView<const float> dy, q;
  MatrixView<float> dq;
  Norm norm;
  float scale;  ///< of the dropout
  const EpilogueColumns& columns;
  const PassMask& mask;
  const RowMoments* moments;
};
void backward_rows(const BackwardRows& args, Range rows, GradientSums& sums);
void masked_scale_rows(MatrixView<const float> dy, const PassMask& mask, float scale, MatrixView<float> dx,
                       Range rows);

/// Adds sum (q + offset) and its square to the sums, in fp64.
void column_sums_rows(MatrixView<const float> q, std::span<const double> offset, Range rows,
                      std::span<double> sum, std::span<double> sum_squares);

/// dq = factor_j (dq - mean_j - slope_j (q - center_j)).
struct BatchNormColumns {
  std::vector<float> center, factor, mean, slope;
};
void batch_norm_rows(MatrixView<const float> q, const BatchNormColumns& columns, Range rows,
                     MatrixView<float> dq);

}  // namespace opx::tensor::cpu
