// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Cuts a product into blocks whose boundaries depend on the shape alone: rows of C where C is tall, the
// contraction where it is long and C small (a weight gradient), with the partial products added in order in
// fp64.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "tensor/cpu/block_gemm.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor::cpu {
namespace {

constexpr Index kBlockFlops = Index{1} << 25;  // about 0.3 ms on one core: enough to hide the packing of B
constexpr Index kMostRows = 1024;  // of a block of narrow factors: threads share few panels evenly
constexpr Index kMinDepth = 8192;  // shortest piece of a cut contraction
constexpr Index kMaxParts = 64;    // most pieces of it
constexpr Index kPartialBytes = Index{64} << 20;  // their memory

template <class T>
MatrixView<T> rows_of(Transpose t, MatrixView<T> x, Range r) {
  return t == Transpose::kYes ? x.middle_cols(r) : x.middle_rows(r);
}

template <class T>
MatrixView<T> cols_of(Transpose t, MatrixView<T> x, Range r) {
  return t == Transpose::kYes ? x.middle_rows(r) : x.middle_cols(r);
}

std::vector<float> widen(MatrixView<const bfloat16> x) {
  std::vector<float> wide(static_cast<std::size_t>(x.size()));
  for (Index i = 0; i < x.rows; ++i)
    std::transform(x.row(i), x.row(i) + x.cols, wide.data() + i * x.cols,
                   [](bfloat16 v) { return static_cast<float>(v); });
  return wide;
}

template <class T>
void run_block(Transpose ta, Transpose tb, float alpha, MatrixView<const T> a, MatrixView<const T> b,
               float beta, MatrixView<float> c) {
  if constexpr (std::is_same_v<T, float>) {
    block_gemm(ta, tb, alpha, a, b, beta, c);
  } else if (!block_gemm(ta, tb, alpha, a, b, beta, c)) {
    const std::vector<float> wide_a = widen(a), wide_b = widen(b);
    block_gemm(ta, tb, alpha, MatrixView<const float>(wide_a.data(), a.rows, a.cols),
               MatrixView<const float>(wide_b.data(), b.rows, b.cols), beta, c);
  }
}

void scale(float beta, MatrixView<float> c) {
  for (Index i = 0; i < c.rows; ++i)
    for (Index j = 0; j < c.cols; ++j) c(i, j) = beta == 0.0F ? 0.0F : beta * c(i, j);
}

/// Adds the parts of rows `r` of C, one after another.
void add_parts(Range r, Index parts, const float* partial, float alpha, float beta, MatrixView<float> c) {
  for (Index i = r.begin; i < r.end; ++i)
    for (Index j = 0; j < c.cols; ++j) {
      double sum = 0;
      for (Index p = 0; p < parts; ++p) sum += static_cast<double>(partial[(p * c.rows + i) * c.cols + j]);
      const double old = beta == 0.0F ? 0.0 : static_cast<double>(beta) * static_cast<double>(c(i, j));
      c(i, j) = static_cast<float>(static_cast<double>(alpha) * sum + old);
    }
}

template <class T>
void cut_contraction(device::Context& context, Index parts, Transpose ta, Transpose tb, float alpha,
                     MatrixView<const T> a, MatrixView<const T> b, float beta, MatrixView<float> c) {
  const Index k = ta == Transpose::kYes ? a.rows : a.cols;
  device::Buffer<float> partial(context, parts * c.size());
  context.parallel_for(parts, [&](Index p) {
    const Range depth = even_range(k, parts, p);
    run_block(ta, tb, 1.0F, cols_of(ta, a, depth), rows_of(tb, b, depth), 0.0F,
              MatrixView<float>(partial.data() + p * c.size(), c.rows, c.cols));
  });
  context.parallel_ranges(c.rows, 16, [&](Range r) { add_parts(r, parts, partial.data(), alpha, beta, c); });
}

template <class T>
void cut_rows(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const T> a,
              MatrixView<const T> b, float beta, MatrixView<float> c) {
  const Index k = ta == Transpose::kYes ? a.rows : a.cols;
  const Index grain = std::clamp<Index>(kBlockFlops / (2 * c.cols * k), 64, kMostRows);
  context.parallel_ranges(c.rows, grain, [&](Range r) {
    run_block(ta, tb, alpha, rows_of(ta, a, r), b, beta, c.middle_rows(r));
  });
}

template <class T>
void multiply(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const T> a,
              MatrixView<const T> b, float beta, MatrixView<float> c) {
  const Index k = ta == Transpose::kYes ? a.rows : a.cols;
  if (k == 0) return scale(beta, c);
  const Index room = kPartialBytes / (static_cast<Index>(sizeof(float)) * c.size());
  const Index parts = std::min({kMaxParts, ceil_div(k, kMinDepth), room});
  if (parts > 1 && k > 4 * c.rows) return cut_contraction(context, parts, ta, tb, alpha, a, b, beta, c);
  cut_rows(context, ta, tb, alpha, a, b, beta, c);
}

}  // namespace

void gemm(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const float> a,
          MatrixView<const float> b, float beta, MatrixView<float> c) {
  multiply(context, ta, tb, alpha, a, b, beta, c);
}

void gemm(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const bfloat16> a,
          MatrixView<const bfloat16> b, float beta, MatrixView<float> c) {
  multiply(context, ta, tb, alpha, a, b, beta, c);
}

}  // namespace opx::tensor::cpu
