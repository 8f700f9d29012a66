// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/self_normalise.hpp"

#include <algorithm>

namespace opx::parallel::detail {

namespace {

constexpr Index kGrain = 256;
// The sum of a row and its diagonal entry come from two roundings: what is left of their difference then is
// no neighbour. A neighbour weighs at least sqrt(deg v / deg u) of the diagonal: 1e-5 takes a hub of 10^10.
constexpr float kRounding = 1e-6F;

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

float off_diagonal(float sum, float diagonal) noexcept {
  const float off = sum - diagonal;
  return off > kRounding * std::max(sum, diagonal) ? off : 0.0F;
}

void row_factors(std::span<const float> full, std::span<const float> diagonal,
                 tensor::MatrixView<const float> sums, std::span<float> c) {
  for (std::size_t i = 0; i < c.size(); ++i) {
    const float off = off_diagonal(sums(static_cast<Index>(i), 0), diagonal[i]);
    c[i] = off > 0 ? full[i] / off : 0.0F;
  }
}

void blend_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
                tensor::MatrixView<const float> x, tensor::MatrixView<float> y) {
  mix_rows(context, c, a, x, y, [](float factor) { return factor; });
}

void add_rest_of_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
                      tensor::MatrixView<const float> x, tensor::MatrixView<float> y) {
  mix_rows(context, c, a, x, y, [](float) { return 1.0F; });
}

}  // namespace opx::parallel::detail
