// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/kernels.hpp"

namespace opx::spmm::ref {
namespace {

// Sums in double: the oracle should not share the rounding of what it judges.
template <class T>
void multiply_any(const CsrView& a, tensor::MatrixView<const T> x, tensor::MatrixView<float> y,
                  const MultiplyOptions& options) {
  for (Index i = 0; i < a.rows; ++i) {
    const auto row = static_cast<std::size_t>(i);
    const double row_scale = options.row_scale.empty() ? 1.0 : options.row_scale[row];
    for (Index j = 0; j < x.cols; ++j) {
      double sum = 0;
      for (Index e = a.row_offsets[row]; e < a.row_offsets[row + 1]; ++e) {
        const auto entry = static_cast<std::size_t>(e);
        const auto col = static_cast<std::size_t>(a.col_ids[entry]);
        const double value = a.values.empty() ? 1.0 : a.values[entry];
        const double col_scale = options.col_scale.empty() ? 1.0 : options.col_scale[col];
        sum += value * col_scale * static_cast<double>(static_cast<float>(x(a.col_ids[entry], j)));
      }
      const double before = options.accumulate ? y(i, j) : 0.0;
      y(i, j) = static_cast<float>(before + row_scale * sum);
    }
  }
}

}  // namespace

void multiply(device::Context&, const CsrView& a, tensor::MatrixView<const float> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options) {
  multiply_any(a, x, y, options);
}

void multiply(device::Context&, const CsrView& a, tensor::MatrixView<const bfloat16> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options) {
  multiply_any(a, x, y, options);
}

}  // namespace opx::spmm::ref
