// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Operands of epilogues for the tests of every backend.
#pragma once

#include <vector>

#include "support/matrices.hpp"
#include "tensor/elementwise.hpp"

namespace opx::tensor::test {

/// One epilogue with all its arguments, on the host. Rows of q are `gap` elements apart, those of residual
/// and dy `step` and 2 `step` more.
struct EpilogueCase {
  Index rows, cols;
  std::vector<float> bias, gamma, beta, mean, inverse_std;
  Epilogue epilogue;
  Strided<float> q, residual, dy;

  EpilogueCase(Index rows_, Index cols_, Norm norm, Activation activation, float rate, Index gap = 3,
               Index step = 1)
      : rows(rows_),
        cols(cols_),
        bias(random_vector(cols, 1)),
        gamma(random_vector(cols, 2, 0.5F, 1.5F)),
        beta(random_vector(cols, 3)),
        mean(random_vector(cols, 4)),
        inverse_std(random_vector(cols, 5, 0.5F, 2)),
        q(Strided<float>::random(rows, cols, gap, 6, -2, 2)),
        residual(Strided<float>::random(rows, cols, gap + step, 7)),
        dy(Strided<float>::random(rows, cols, gap + 2 * step, 8)) {
    epilogue.bias = bias;
    epilogue.norm = norm;
    epilogue.activation = activation;
    epilogue.dropout = {.rate = rate, .seed = 99, .step = 5, .layer = 2, .vertex_begin = Index{1} << 33};
    if (norm != Norm::kNone) epilogue.gamma = gamma;
    if (norm == Norm::kLayer || norm == Norm::kBatch) epilogue.beta = beta;
    if (norm == Norm::kBatch) epilogue.batch_mean = mean, epilogue.batch_inverse_std = inverse_std;
  }
  EpilogueCase(const EpilogueCase&) = delete;
};

}  // namespace opx::tensor::test
