// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A constant input with dropout on the fly: products with it run in panels of rows that stay in the cache, so
// that the matrix after dropout is never stored. Forward and backward draw the same mask (it is a function of
// seed, step and vertex).
#pragma once

#include "device/context.hpp"
#include "model/workspace.hpp"
#include "tensor/elementwise.hpp"
#include "tensor/matrix.hpp"

namespace opx::model {

struct Operand {
  Array x;
  tensor::Dropout dropout{};  ///< rate 0: x itself
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
