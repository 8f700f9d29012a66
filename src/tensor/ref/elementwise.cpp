// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/kernels.hpp"

namespace opx::tensor::ref {
namespace {

template <class Body>
void for_each(Index rows, Index cols, const Body& body) {
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < cols; ++j) body(i, j);
}

}  // namespace

void add_scaled(device::Context&, float alpha, MatrixView<const float> x, MatrixView<float> y) {
  for_each(x.rows, x.cols, [&](Index i, Index j) {
    y(i, j) = static_cast<float>(static_cast<double>(y(i, j)) +
                                 static_cast<double>(alpha) * static_cast<double>(x(i, j)));
  });
}

void copy(device::Context&, MatrixView<const float> x, MatrixView<float> y) {
  for_each(x.rows, x.cols, [&](Index i, Index j) { y(i, j) = x(i, j); });
}

void fill(device::Context&, float value, MatrixView<float> y) {
  for_each(y.rows, y.cols, [&](Index i, Index j) { y(i, j) = value; });
}

void convert(device::Context&, MatrixView<const float> x, MatrixView<bfloat16> y) {
  for_each(x.rows, x.cols, [&](Index i, Index j) { y(i, j) = bfloat16(x(i, j)); });
}

void convert(device::Context&, MatrixView<const bfloat16> x, MatrixView<float> y) {
  for_each(x.rows, x.cols, [&](Index i, Index j) { y(i, j) = static_cast<float>(x(i, j)); });
}

void scale_rows(device::Context&, MatrixView<const float> x, std::span<const float> scale,
                MatrixView<float> y) {
  for_each(x.rows, x.cols, [&](Index i, Index j) { y(i, j) = x(i, j) * scale[static_cast<std::size_t>(i)]; });
}

}  // namespace opx::tensor::ref
