// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/self_normalise.hpp"

namespace opx::parallel::detail {

namespace {

constexpr Index kGrain = 256;
/// y = factor y + rest x by rows, factor and rest from row i.
template <class Factor>
void mix_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
              tensor::MatrixView<const float> x, tensor::MatrixView<float> y, const Factor& factor) {
  context.parallel_ranges(x.rows, kGrain, [&](Range rows) {
    for (Index i = rows.begin; i < rows.end; ++i) {
      const auto r = static_cast<std::size_t>(i);
      const float own = factor(c[r]), rest = (1 - c[r]) * a[r];
      const float* from = x.row(i);
      float* to = y.row(i);
      if (rest == 0) {  // padding holds anything
        for (Index j = 0; j < x.cols; ++j) to[j] *= own;
      } else {
        for (Index j = 0; j < x.cols; ++j) to[j] = own * to[j] + rest * from[j];
      }
    }
  });
}

}  // namespace

void row_factors(device::Context& context, std::span<const float> full, std::span<const float> diagonal,
                 tensor::MatrixView<const float> sums, std::span<float> c) {
  if (context.on_gpu()) return gpu::row_factors(context, full, diagonal, sums, c);
  for (std::size_t i = 0; i < c.size(); ++i)
    c[i] = row_factor(full[i], sums(static_cast<Index>(i), 0), diagonal[i]);
}

void add_isolated_rows(device::Context& context, tensor::MatrixView<const float> sums,
                       std::span<const float> diagonal, Index* count) {
  if (context.on_gpu()) return gpu::add_isolated_rows(context, sums, diagonal, count);
  for (Index i = 0; i < std::ssize(diagonal); ++i)
    *count += off_diagonal(sums(i, 0), diagonal[static_cast<std::size_t>(i)]) > 0 ? 0 : 1;
}

void blend_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
                tensor::MatrixView<const float> x, tensor::MatrixView<float> y) {
  if (context.on_gpu()) return gpu::mix_rows(context, c, a, x, y, false);
  mix_rows(context, c, a, x, y, [](float factor) { return factor; });
}

void add_rest_of_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
                      tensor::MatrixView<const float> x, tensor::MatrixView<float> y) {
  if (context.on_gpu()) return gpu::mix_rows(context, c, a, x, y, true);
  mix_rows(context, c, a, x, y, [](float) { return 1.0F; });
}

}  // namespace opx::parallel::detail
