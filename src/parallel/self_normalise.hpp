// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to parallel/: the row arithmetic of the self-normalised aggregation, where the rows live
// (Aggregator::self_normalise has the formulas).
#pragma once

#include <algorithm>
#include <span>

#include "device/context.hpp"
#include "tensor/matrix.hpp"

namespace opx::parallel::detail {

/// sum - diagonal, 0 where that is no more than the rounding of the two: then the row has no entry off the
/// diagonal. A neighbour weighs at least sqrt(deg v / deg u) of the diagonal: 1e-5 takes a hub of 10^10.
[[nodiscard]] constexpr float off_diagonal(float sum, float diagonal) noexcept {
  constexpr float kRounding = 1e-6F;
  const float off = sum - diagonal;
  return off > kRounding * std::max(sum, diagonal) ? off : 0.0F;
}
/// full / off_diagonal, 0 where that is 0.
[[nodiscard]] constexpr float row_factor(float full, float sum, float diagonal) noexcept {
  const float off = off_diagonal(sum, diagonal);
  return off > 0 ? full / off : 0.0F;
}
/// c = row_factor, for the rows of c. `sums` is one column.
void row_factors(device::Context& context, std::span<const float> full, std::span<const float> diagonal,
                 tensor::MatrixView<const float> sums, std::span<float> c);
/// *count grows by those of the first diagonal.size() rows that have no entry off the diagonal.
void add_isolated_rows(device::Context& context, tensor::MatrixView<const float> sums,
                       std::span<const float> diagonal, Index* count);
/// y = c y + (1 - c) a x by rows.
void blend_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
                tensor::MatrixView<const float> x, tensor::MatrixView<float> y);
/// y += (1 - c) a x by the rows of x, which may be fewer.
void add_rest_of_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
                      tensor::MatrixView<const float> x, tensor::MatrixView<float> y);

/// The same on a GPU (gpu/self_normalise.cu); refused by builds without kernels. `kept`: y keeps its whole
/// part.
namespace gpu {
void row_factors(device::Context& context, std::span<const float> full, std::span<const float> diagonal,
                 tensor::MatrixView<const float> sums, std::span<float> c);
void add_isolated_rows(device::Context& context, tensor::MatrixView<const float> sums,
                       std::span<const float> diagonal, Index* count);
void mix_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
              tensor::MatrixView<const float> x, tensor::MatrixView<float> y, bool kept);
}  // namespace gpu

}  // namespace opx::parallel::detail
