// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Passes over parameters and gathered rows, bound by memory: the compiler's own vectors are enough.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "tensor/kernels.hpp"

namespace opx::tensor::cpu {
namespace {

constexpr Index kGrain = Index{1} << 16;
constexpr Index kRowGrain = 256;
// Gathered rows are random places, so the lines of one are asked for this many rows early.
constexpr Index kGatherAhead = 4;
constexpr std::size_t kLine = 64, kMostAhead = 8 * kLine;

/// body(range) over the fixed ranges of n; a small parameter wakes no threads.
template <class Body>
void for_ranges(device::Context& context, Index n, const Body& body) {
  if (n <= kGrain) return body(Range{0, n});
  context.parallel_ranges(n, kGrain, [&](Range r) { body(r); });
}

void sgd_range(const SgdFactors& f, Range range, const float* gradient, float* value, float* momentum) {
  for (Index i = range.begin; i < range.end; ++i) {
    float g = f.gradient_scale * gradient[i] + f.weight_decay * value[i];
    if (momentum != nullptr)
      g = momentum[i] = f.momentum * momentum[i] + g;  // the first step starts from 0: the gradient itself
    value[i] -= f.learning_rate * g;
  }
}

void adam_range(const AdamFactors& f, Range range, const float* gradient, float* value, float* first,
                float* second) {
  for (Index i = range.begin; i < range.end; ++i) {
    const float g = f.gradient_scale * gradient[i] + f.coupled * value[i];
    first[i] = f.beta1 * first[i] + f.rest1 * g;
    second[i] = f.beta2 * second[i] + f.rest2 * g * g;
    value[i] = f.kept * value[i] - f.step_size * first[i] / (std::sqrt(second[i]) * f.root + f.epsilon);
  }
}

void ask_for(const float* row, std::size_t bytes) {
  if (row == nullptr) return;
  const auto* line = reinterpret_cast<const char*>(row);
  for (std::size_t at = 0; at < std::min(bytes, kMostAhead); at += kLine) __builtin_prefetch(line + at);
}

}  // namespace

void sgd_step(device::Context& context, const SgdFactors& f, std::span<const float> gradient,
              std::span<float> value, std::span<float> momentum) {
  float* held = momentum.empty() ? nullptr : momentum.data();
  for_ranges(context, std::ssize(value),
             [&](Range r) { sgd_range(f, r, gradient.data(), value.data(), held); });
}

void adam_step(device::Context& context, const AdamFactors& f, std::span<const float> gradient,
               std::span<float> value, std::span<float> first, std::span<float> second) {
  for_ranges(context, std::ssize(value),
             [&](Range r) { adam_range(f, r, gradient.data(), value.data(), first.data(), second.data()); });
}

double sum_of_squares(device::Context& context, std::span<const float> values) {
  const Index n = std::ssize(values);
  const Index parts = std::max<Index>(1, ceil_div(n, kGrain));
  std::vector<double> sums(static_cast<std::size_t>(parts));
  context.parallel_for(parts, [&](Index part) {
    double sum = 0;
    const Range r = even_range(n, parts, part);
    for (const float v :
         values.subspan(static_cast<std::size_t>(r.begin), static_cast<std::size_t>(r.size())))
      sum += static_cast<double>(v) * static_cast<double>(v);
    sums[static_cast<std::size_t>(part)] = sum;
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

double inner_product(device::Context& context, MatrixView<const float> a, MatrixView<const float> b) {
  constexpr Index kRows = 1024;
  std::vector<double> sums(static_cast<std::size_t>(ceil_div(std::max<Index>(a.rows, 1), kRows)));
  context.parallel_for(std::ssize(sums), [&](Index part) {
    double sum = 0;
    for (Index i = part * kRows; i < std::min((part + 1) * kRows, a.rows); ++i)
      for (Index j = 0; j < a.cols; ++j) sum += static_cast<double>(a(i, j)) * static_cast<double>(b(i, j));
    sums[static_cast<std::size_t>(part)] = sum;
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

void gather_rows(device::Context& context, MatrixView<const float> from, std::span<const std::int32_t> rows,
                 MatrixView<float> to) {
  const auto bytes = static_cast<std::size_t>(to.cols) * sizeof(float);
  if (bytes == 0) return;
  const auto source = [&](Index r) -> const float* {
    const std::int32_t row = rows[static_cast<std::size_t>(r)];
    return row >= 0 ? from.row(row) : nullptr;
  };
  context.parallel_ranges(to.rows, kRowGrain, [&](Range range) {
    for (Index r = range.begin; r < range.end; ++r) {
      if (r + kGatherAhead < std::ssize(rows)) ask_for(source(r + kGatherAhead), bytes);
      if (const float* row = r < std::ssize(rows) ? source(r) : nullptr; row != nullptr)
        std::memcpy(to.row(r), row, bytes);
      else
        std::memset(to.row(r), 0, bytes);
    }
  });
}

}  // namespace opx::tensor::cpu
