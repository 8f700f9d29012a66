// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/operand.hpp"

#include <algorithm>

#include "base/function_ref.hpp"
#include "base/timer.hpp"
#include "tensor/gemm.hpp"

namespace opx::model {
namespace {

using base::Phase;
using base::PhaseScope;
using tensor::MatrixView;
using tensor::Transpose;

constexpr Index kPanelElements = Index{1} << 20;  // 4 MiB: the panel stays in the last-level cache

/// The mask of panel `number`, with memory for `most` rows; null where none are kept.
tensor::PassMask* mask_of(device::Context& context, const Operand& operand, Index number, Index rows,
                          Index most) {
  if (operand.masks == nullptr) return nullptr;
  const auto at = static_cast<std::size_t>(number);
  if (operand.masks->size() <= at) operand.masks->resize(at + 1);
  tensor::PassMask& mask = (*operand.masks)[at];
  if (rows > 0) mask.reshape(context, rows, operand.x.cols(), most);
  return &mask;
}

/// Calls body(rows, dropout(x) of these rows) panel by panel. `drawn`: the operand's masks are filled.
void for_each_panel(device::Context& context, Workspace& workspace, const Operand& operand, bool drawn,
                    base::FunctionRef<void(Range, MatrixView<const float>)> body) {
  const MatrixView<float> x = operand.x.view();
  const Index panel =
      std::clamp<Index>(kPanelElements / std::max<Index>(x.cols, 1), 64, std::max<Index>(x.rows, 64));
  const Array scratch = workspace.take(std::min(panel, x.rows), x.cols);
  // Of batches of different sizes all find their memory.
  const Index most =
      std::max(panel, std::min(kPanelElements / std::max<Index>(x.cols, 1), workspace.reserved_rows()));
  const float scale = static_cast<float>(1 / (1 - static_cast<double>(operand.dropout.rate)));
  for (Index begin = 0; begin < x.rows; begin += panel) {
    const Range rows{begin, std::min(begin + panel, x.rows)};
    tensor::Dropout dropout = operand.dropout;
    dropout.vertex_begin += begin;
    if (!dropout.vertices.empty())
      dropout.vertices =
          dropout.vertices.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(rows.size()));
    const auto out = scratch.view().middle_rows({0, rows.size()});
    {
      const PhaseScope scope(context.clock(), Phase::kElementwise, "dropout");
      tensor::PassMask* mask = mask_of(context, operand, begin / panel, drawn ? 0 : rows.size(), most);
      if (drawn && mask != nullptr)
        tensor::masked_scale(context, x.middle_rows(rows), *mask, scale, out);
      else
        tensor::dropout_forward(context, x.middle_rows(rows), dropout, out, mask);
    }
    const PhaseScope scope(context.clock(), Phase::kGemm, "gemm");
    body(rows, out);
  }
}

}  // namespace

Operand Operand::first_rows(Index rows) const {
  Operand part{x.first_rows(rows), dropout, rows == x.rows() ? masks : nullptr};
  if (!dropout.vertices.empty())
    part.dropout.vertices = dropout.vertices.first(static_cast<std::size_t>(rows));
  return part;
}

void transform(device::Context& context, Workspace& workspace, const Operand& operand,
               MatrixView<const float> w, float beta, MatrixView<float> q) {
  if (operand.dropout.rate <= 0) {
    const PhaseScope scope(context.clock(), Phase::kGemm, "gemm");
    tensor::gemm(context, Transpose::kNo, Transpose::kNo, 1, operand.x.view(), w, beta, q);
    return;
  }
  for_each_panel(context, workspace, operand, false, [&](Range rows, MatrixView<const float> panel) {
    tensor::gemm(context, Transpose::kNo, Transpose::kNo, 1, panel, w, beta, q.middle_rows(rows));
  });
}

void weight_gradient(device::Context& context, Workspace& workspace, const Operand& operand,
                     MatrixView<const float> dq, MatrixView<float> dw) {
  if (operand.dropout.rate <= 0 || operand.x.rows() == 0) {
    const PhaseScope scope(context.clock(), Phase::kGemm, "gemm");
    tensor::gemm(context, Transpose::kYes, Transpose::kNo, 1, operand.x.view(), dq, 0, dw);
    return;
  }
  for_each_panel(context, workspace, operand, true, [&](Range rows, MatrixView<const float> panel) {
    tensor::gemm(context, Transpose::kYes, Transpose::kNo, 1, panel, dq.middle_rows(rows),
                 rows.begin == 0 ? 0.0F : 1.0F, dw);
  });
}

Array materialise(device::Context& context, Workspace& workspace, const Operand& operand,
                  tensor::PassMask* mask) {
  Array y = workspace.take(operand.x.rows(), operand.x.cols());
  const PhaseScope scope(context.clock(), Phase::kElementwise, "dropout");
  tensor::dropout_forward(context, operand.x.view(), operand.dropout, y.view(), mask);
  return y;
}

}  // namespace opx::model
