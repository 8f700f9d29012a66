// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/multiply.hpp"

#include "base/error.hpp"
#include "spmm/kernels.hpp"
#include "tensor/targets.hpp"

namespace opx::spmm {
namespace {

template <class T>
void check(const device::Context& context, const CsrView& a, const tensor::MatrixView<const T>& x,
           const tensor::MatrixView<float>& y, const MultiplyOptions& options) {
  OPX_REQUIRE(a.row_offsets.size() == static_cast<std::size_t>(a.rows) + 1, DimensionMismatch,
              "a sparse matrix of {} rows has {} row offsets", a.rows, a.row_offsets.size());
  OPX_REQUIRE(context.on_gpu() || a.row_offsets.back() == a.nnz(), DimensionMismatch,
              "row offsets end at {} but there are {} column ids", a.row_offsets.back(), a.nnz());
  OPX_REQUIRE(a.values.empty() || a.values.size() == a.col_ids.size(), DimensionMismatch,
              "{} values for {} entries", a.values.size(), a.col_ids.size());
  OPX_REQUIRE(a.cols == x.rows && a.rows == y.rows && x.cols == y.cols, DimensionMismatch,
              "A is {} x {}, X {} x {}, Y {} x {}", a.rows, a.cols, x.rows, x.cols, y.rows, y.cols);
  OPX_REQUIRE(x.ld >= x.cols && y.ld >= y.cols, DimensionMismatch,
              "strides {} and {} are less than {} columns", x.ld, y.ld, x.cols);
  OPX_REQUIRE(options.row_scale.empty() || options.row_scale.size() == static_cast<std::size_t>(a.rows),
              DimensionMismatch, "{} row scales for {} rows", options.row_scale.size(), a.rows);
  OPX_REQUIRE(options.col_scale.empty() || options.col_scale.size() == static_cast<std::size_t>(a.cols),
              DimensionMismatch, "{} column scales for {} columns", options.col_scale.size(), a.cols);
  OPX_REQUIRE(x.size() == 0 || static_cast<const void*>(x.data) != static_cast<const void*>(y.data),
              InvalidArgument, "X and Y start at the same address; they must not overlap");
}

}  // namespace

void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options) {
  check(context, a, x, y, options);
  context.on_gpu() ? gpu::multiply(context, a, x, y, options) : cpu::multiply(context, a, x, y, options);
}

void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const bfloat16> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options) {
  check(context, a, x, y, options);
  context.on_gpu() ? gpu::multiply(context, a, x, y, options) : cpu::multiply(context, a, x, y, options);
}

std::string dispatch_target() { return tensor::chosen_target(); }

}  // namespace opx::spmm
