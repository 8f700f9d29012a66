// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tensor/kernels.hpp"

namespace opx::tensor::ref {
namespace {

double stable_sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

double weight_of(std::span<const float> weights, Index i) {
  return weights.empty() ? 1.0 : static_cast<double>(weights[static_cast<std::size_t>(i)]);
}

/// Largest entry of row i; NaN if the row has one.
double row_max(MatrixView<const float> x, Index i) {
  double best = -std::numeric_limits<double>::infinity();
  for (Index j = 0; j < x.cols; ++j)
    best = std::isnan(x(i, j)) ? static_cast<double>(x(i, j)) : std::max(best, static_cast<double>(x(i, j)));
  return best;
}

double row_exp_sum(MatrixView<const float> x, Index i, double max) {
  double sum = 0;
  for (Index j = 0; j < x.cols; ++j) sum += std::exp(static_cast<double>(x(i, j)) - max);
  return sum;
}

}  // namespace

LossSum softmax_cross_entropy(device::Context&, MatrixView<const float> logits,
                              std::span<const std::int32_t> labels, std::span<const std::uint8_t> use,
                              double scale, MatrixView<float> gradient, std::span<const float> weights) {
  LossSum total;
  for (Index i = 0; i < logits.rows; ++i) {
    const auto r = static_cast<std::size_t>(i);
    const bool counts = use[r] != 0 && labels[r] >= 0;
    const double max = row_max(logits, i), sum = row_exp_sum(logits, i, max), weight = weight_of(weights, i);
    if (counts) {
      total.sum += weight * (std::log(sum) + max - static_cast<double>(logits(i, labels[r])));
      ++total.terms;
    }
    for (Index j = 0; j < logits.cols && gradient.data != nullptr; ++j) {
      const double p = std::exp(static_cast<double>(logits(i, j)) - max) / sum;
      gradient(i, j) = counts ? static_cast<float>(weight * scale * (p - (j == labels[r] ? 1 : 0))) : 0.0F;
    }
  }
  return total;
}

LossSum sigmoid_bce(device::Context&, MatrixView<const float> logits, MatrixView<const float> targets,
                    std::span<const std::uint8_t> use, double scale, MatrixView<float> gradient,
                    std::span<const float> weights) {
  LossSum total;
  for (Index i = 0; i < logits.rows; ++i)
    for (Index j = 0; j < logits.cols; ++j) {
      const bool counts = use[static_cast<std::size_t>(i)] != 0 && std::isfinite(targets(i, j));
      const auto x = static_cast<double>(logits(i, j)), t = static_cast<double>(targets(i, j));
      const double weight = weight_of(weights, i);
      if (counts) {
        total.sum += weight * ((x > 0 ? x : 0) - x * t + std::log1p(std::exp(-std::abs(x))));
        ++total.terms;
      }
      if (gradient.data != nullptr)
        gradient(i, j) = counts ? static_cast<float>(weight * scale * (stable_sigmoid(x) - t)) : 0.0F;
    }
  return total;
}

void softmax_rows(device::Context&, MatrixView<float> x) {
  for (Index i = 0; i < x.rows; ++i) {
    const double max = row_max(x, i), sum = row_exp_sum(x, i, max);
    for (Index j = 0; j < x.cols; ++j)
      x(i, j) = static_cast<float>(std::exp(static_cast<double>(x(i, j)) - max) / sum);
  }
}

void sigmoid(device::Context&, MatrixView<float> x) {
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.cols; ++j)
      x(i, j) = static_cast<float>(stable_sigmoid(static_cast<double>(x(i, j))));
}

void argmax_rows(device::Context&, MatrixView<const float> x, std::span<std::int32_t> best) {
  for (Index i = 0; i < x.rows; ++i) {
    Index winner = -1;
    for (Index j = 0; j < x.cols; ++j)
      if (!std::isnan(x(i, j)) && (winner < 0 || x(i, j) > x(i, winner))) winner = j;
    best[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(std::max<Index>(winner, 0));
  }
}

}  // namespace opx::tensor::ref
