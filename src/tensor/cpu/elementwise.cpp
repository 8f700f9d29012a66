// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Passes bound by memory, where the compiler's own vectors are enough.
#include <algorithm>

#include "tensor/cpu/grain.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor::cpu {
namespace {

template <class Body>
void for_rows(device::Context& context, Index rows, Index cols, const Body& body) {
  context.parallel_ranges(rows, row_grain(cols), [&](Range r) {
    for (Index i = r.begin; i < r.end; ++i) body(i);
  });
}

}  // namespace

void add_scaled(device::Context& context, float alpha, MatrixView<const float> x, MatrixView<float> y) {
  for_rows(context, x.rows, x.cols, [&](Index i) {
    const float* from = x.row(i);
    float* to = y.row(i);
    for (Index j = 0; j < x.cols; ++j) to[j] += alpha * from[j];
  });
}

void copy(device::Context& context, MatrixView<const float> x, MatrixView<float> y) {
  for_rows(context, x.rows, x.cols, [&](Index i) { std::copy_n(x.row(i), x.cols, y.row(i)); });
}

void fill(device::Context& context, float value, MatrixView<float> y) {
  for_rows(context, y.rows, y.cols, [&](Index i) { std::fill_n(y.row(i), y.cols, value); });
}

void convert(device::Context& context, MatrixView<const float> x, MatrixView<bfloat16> y) {
  for_rows(context, x.rows, x.cols, [&](Index i) {
    std::transform(x.row(i), x.row(i) + x.cols, y.row(i), [](float v) { return bfloat16(v); });
  });
}

void convert(device::Context& context, MatrixView<const bfloat16> x, MatrixView<float> y) {
  for_rows(context, x.rows, x.cols, [&](Index i) {
    std::transform(x.row(i), x.row(i) + x.cols, y.row(i), [](bfloat16 v) { return static_cast<float>(v); });
  });
}

void scale_rows(device::Context& context, MatrixView<const float> x, std::span<const float> scale,
                MatrixView<float> y) {
  for_rows(context, x.rows, x.cols, [&](Index i) {
    const float factor = scale[static_cast<std::size_t>(i)];
    std::transform(x.row(i), x.row(i) + x.cols, y.row(i), [factor](float v) { return v * factor; });
  });
}

}  // namespace opx::tensor::cpu
