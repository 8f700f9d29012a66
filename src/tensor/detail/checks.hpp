// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Shape checks that the ops share. Private to this module.
#pragma once

#include <string_view>

#include "base/error.hpp"
#include "tensor/matrix.hpp"

namespace opx::tensor::detail {

template <class A, class B>
void require_same_shape(std::string_view op, MatrixView<A> a, MatrixView<B> b) {
  OPX_REQUIRE(a.rows == b.rows && a.cols == b.cols, DimensionMismatch, "{}: {} x {} against {} x {}", op,
              a.rows, a.cols, b.rows, b.cols);
}

/// A vector argument that must have `wanted` elements.
inline void require_size(std::string_view op, std::string_view argument, std::size_t size, Index wanted) {
  OPX_REQUIRE(static_cast<Index>(size) == wanted, DimensionMismatch, "{}: {} has {} elements, not {}", op,
              argument, size, wanted);
}

/// The same where an empty one means "none".
inline void require_size_or_empty(std::string_view op, std::string_view argument, std::size_t size,
                                  Index wanted) {
  if (size != 0) require_size(op, argument, size, wanted);
}

}  // namespace opx::tensor::detail
