// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "tensor/kernels.hpp"

namespace opx::tensor::ref {
namespace {
double wide(float v) { return static_cast<double>(v); }
}  // namespace

void sgd_step(device::Context&, const SgdFactors& f, std::span<const float> gradient, std::span<float> value,
              std::span<float> momentum) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    double g = wide(f.gradient_scale) * wide(gradient[i]) + wide(f.weight_decay) * wide(value[i]);
    if (!momentum.empty()) {
      g += wide(f.momentum) * wide(momentum[i]);
      momentum[i] = static_cast<float>(g);
    }
    value[i] = static_cast<float>(wide(value[i]) - wide(f.learning_rate) * g);
  }
}

void adam_step(device::Context&, const AdamFactors& f, std::span<const float> gradient,
               std::span<float> value, std::span<float> first, std::span<float> second) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const double g = wide(f.gradient_scale) * wide(gradient[i]) + wide(f.coupled) * wide(value[i]);
    const double m = wide(f.beta1) * wide(first[i]) + wide(f.rest1) * g;
    const double v = wide(f.beta2) * wide(second[i]) + wide(f.rest2) * g * g;
    first[i] = static_cast<float>(m);
    second[i] = static_cast<float>(v);
    const double move = wide(f.step_size) * m / (std::sqrt(v) * wide(f.root) + wide(f.epsilon));
    value[i] = static_cast<float>(wide(f.kept) * wide(value[i]) - move);
  }
}

double sum_of_squares(device::Context&, std::span<const float> values) {
  double sum = 0;
  for (const float v : values) sum += wide(v) * wide(v);
  return sum;
}

double inner_product(device::Context&, MatrixView<const float> a, MatrixView<const float> b) {
  double sum = 0;
  for (Index i = 0; i < a.rows; ++i)
    for (Index j = 0; j < a.cols; ++j) sum += wide(a(i, j)) * wide(b(i, j));
  return sum;
}

void gather_rows(device::Context&, MatrixView<const float> from, std::span<const std::int32_t> rows,
                 MatrixView<float> to) {
  for (Index i = 0; i < to.rows; ++i) {
    const Index row = i < std::ssize(rows) ? rows[static_cast<std::size_t>(i)] : -1;
    for (Index j = 0; j < to.cols; ++j) to(i, j) = row >= 0 ? from(row, j) : 0.0F;
  }
}

}  // namespace opx::tensor::ref
