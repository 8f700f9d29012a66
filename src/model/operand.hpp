// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A constant input with dropout on the fly: products with it run in panels of rows that stay in the cache, so
// that the matrix after dropout is never stored. The backward pass drops what the forward pass dropped: by a
// bit an element where the operand has room for them, for to draw anew takes six times as long; else it draws
// the same again (a function of seed, step and vertex).
#pragma once

#include <vector>

#include "device/context.hpp"
#include "model/workspace.hpp"
#include "tensor/elementwise.hpp"
#include "tensor/matrix.hpp"

namespace opx::model {

struct Operand {
  Array x;
  tensor::Dropout dropout{};  ///< rate 0: x itself
  /// One for each panel: transform() fills them, weight_gradient() of the same operand reads them. May be
  /// null.
  std::vector<tensor::PassMask>* masks = nullptr;
  bool on_host = false;  ///< x is page-locked memory of the host (host_input.hpp), contiguous
  /// Elements of a panel of rows, in which products run even without dropout; 0: the whole of x where there
  /// is none. Results depend on it by rounding.
  Index panel = 0;
  [[nodiscard]] bool empty() const noexcept { return x.empty(); }
  [[nodiscard]] Operand first_rows(Index rows) const;
  void reset() noexcept { *this = Operand(); }
};

/// q = dropout(x) w + beta q.
void transform(device::Context& context, Workspace& workspace, const Operand& operand,
               tensor::MatrixView<const float> w, float beta, tensor::MatrixView<float> q);
/// dw = dropout(x)^T dq. The sum over panels runs in rising order.
void weight_gradient(device::Context& context, Workspace& workspace, const Operand& operand,
                     tensor::MatrixView<const float> dq, tensor::MatrixView<float> dw);
/// y = dropout(x), stored.
[[nodiscard]] Array materialise(device::Context& context, Workspace& workspace, const Operand& operand,
                                tensor::PassMask* mask);

}  // namespace opx::model
