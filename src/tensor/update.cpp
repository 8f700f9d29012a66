// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/update.hpp"

#include <cmath>

#include "tensor/detail/checks.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor {
namespace {

AdamFactors factors_of(const AdamStep& s) {
  const double t = static_cast<double>(s.step);
  return {.step_size = static_cast<float>(s.learning_rate / (1 - std::pow(s.beta1, t))),
          .root = static_cast<float>(1 / std::sqrt(1 - std::pow(s.beta2, t))),
          .beta1 = static_cast<float>(s.beta1),
          .beta2 = static_cast<float>(s.beta2),
          .rest1 = static_cast<float>(1 - s.beta1),
          .rest2 = static_cast<float>(1 - s.beta2),
          .epsilon = static_cast<float>(s.epsilon),
          .coupled = s.decoupled ? 0.0F : static_cast<float>(s.weight_decay),
          .kept = s.decoupled ? static_cast<float>(1 - s.learning_rate * s.weight_decay) : 1.0F,
          .gradient_scale = static_cast<float>(s.gradient_scale)};
}

}  // namespace

void sgd_step(device::Context& context, const SgdStep& step, std::span<const float> gradient,
              std::span<float> value, std::span<float> momentum) {
  const auto n = static_cast<Index>(value.size());
  detail::require_size("sgd_step", "gradient", gradient.size(), n);
  detail::require_size_or_empty("sgd_step", "momentum", momentum.size(), n);
  const SgdFactors factors{.learning_rate = static_cast<float>(step.learning_rate),
                           .momentum = static_cast<float>(step.momentum),
                           .weight_decay = static_cast<float>(step.weight_decay),
                           .gradient_scale = static_cast<float>(step.gradient_scale)};
  context.on_gpu() ? gpu::sgd_step(context, factors, gradient, value, momentum)
                   : cpu::sgd_step(context, factors, gradient, value, momentum);
}

void adam_step(device::Context& context, const AdamStep& step, std::span<const float> gradient,
               std::span<float> value, std::span<float> first, std::span<float> second) {
  const auto n = static_cast<Index>(value.size());
  detail::require_size("adam_step", "gradient", gradient.size(), n);
  detail::require_size("adam_step", "first", first.size(), n);
  detail::require_size("adam_step", "second", second.size(), n);
  OPX_REQUIRE(step.step >= 1, InvalidArgument, "adam_step: step {}; the first is 1", step.step);
  const AdamFactors factors = factors_of(step);
  context.on_gpu() ? gpu::adam_step(context, factors, gradient, value, first, second)
                   : cpu::adam_step(context, factors, gradient, value, first, second);
}

double sum_of_squares(device::Context& context, std::span<const float> values) {
  return context.on_gpu() ? gpu::sum_of_squares(context, values) : cpu::sum_of_squares(context, values);
}

double inner_product(device::Context& context, MatrixView<const float> a, MatrixView<const float> b) {
  OPX_REQUIRE(a.rows == b.rows && a.cols == b.cols, DimensionMismatch, "inner product of {} x {} and {} x {}",
              a.rows, a.cols, b.rows, b.cols);
  return context.on_gpu() ? gpu::inner_product(context, a, b) : cpu::inner_product(context, a, b);
}

void gather_rows(device::Context& context, MatrixView<const float> from, std::span<const std::int32_t> rows,
                 MatrixView<float> to) {
  OPX_REQUIRE(from.cols == to.cols && std::ssize(rows) <= to.rows, DimensionMismatch,
              "{} rows of {} columns gathered into {} x {}", rows.size(), from.cols, to.rows, to.cols);
  context.on_gpu() ? gpu::gather_rows(context, from, rows, to) : cpu::gather_rows(context, from, rows, to);
}

}  // namespace opx::tensor
