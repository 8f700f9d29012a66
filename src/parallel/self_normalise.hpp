// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to parallel/: the row arithmetic of the self-normalised aggregation, where the rows live
// (Aggregator::self_normalise has the formulas).
#pragma once

#include <span>

#include "device/context.hpp"
#include "tensor/matrix.hpp"

namespace opx::parallel::detail {

/// sum - diagonal, 0 where that is no more than the rounding of the two: then the row has no entry off the
/// diagonal.
[[nodiscard]] float off_diagonal(float sum, float diagonal) noexcept;
/// c = full / off_diagonal, 0 where that is 0, for the rows of c. `sums` is one column.
void row_factors(std::span<const float> full, std::span<const float> diagonal,
                 tensor::MatrixView<const float> sums, std::span<float> c);
/// y = c y + (1 - c) a x by rows.
void blend_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
                tensor::MatrixView<const float> x, tensor::MatrixView<float> y);
/// y += (1 - c) a x by the rows of x, which may be fewer.
void add_rest_of_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
                      tensor::MatrixView<const float> x, tensor::MatrixView<float> y);

}  // namespace opx::parallel::detail
