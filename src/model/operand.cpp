// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/operand.hpp"

#include <algorithm>
#include <optional>

#include "base/function_ref.hpp"
#include "base/timer.hpp"
#include "model/host_input.hpp"
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

/// Rows of a panel; of the caller's panels a multiple of 64, so that panels begin on lines of memory.
Index panel_rows(const Operand& operand) {
  const Index elements = operand.panel > 0 ? operand.panel : kPanelElements;
  const Index rows = std::max<Index>(elements / std::max<Index>(operand.x.cols(), 1), 64);
  return std::min(operand.panel > 0 ? rows / 64 * 64 : rows, std::max<Index>(operand.x.rows(), 64));
}

tensor::Dropout dropout_of(const Operand& operand, Range rows) {
  tensor::Dropout dropout = operand.dropout;
  dropout.vertex_begin += rows.begin;
  if (!dropout.vertices.empty())
    dropout.vertices =
        dropout.vertices.subspan(static_cast<std::size_t>(rows.begin), static_cast<std::size_t>(rows.size()));
  return dropout;
}

/// Calls body(rows, dropout(x) of these rows) panel by panel. `drawn`: the operand's masks are filled.
void for_each_panel(device::Context& context, Workspace& workspace, const Operand& operand, bool drawn,
                    base::FunctionRef<void(Range, MatrixView<const float>)> body) {
  const MatrixView<float> x = operand.x.view();
  const Index panel = panel_rows(operand);
  const bool drops = operand.dropout.rate > 0;
  const Array scratch = drops ? workspace.take(std::min(panel, x.rows), x.cols) : Array();
  // Of batches of different sizes all find their memory.
  const Index most =
      std::max(panel, std::min(kPanelElements / std::max<Index>(x.cols, 1), workspace.reserved_rows()));
  const float scale = static_cast<float>(1 / (1 - static_cast<double>(operand.dropout.rate)));
  std::optional<PanelStream> stream;
  if (operand.on_host) stream.emplace(context, workspace, x, panel);
  for (Index k = 0; k * panel < x.rows; ++k) {
    const Range rows{k * panel, std::min((k + 1) * panel, x.rows)};
    MatrixView<const float> part = x.middle_rows(rows);
    if (stream) part = stream->panel(k);
    if (drops) {
      const PhaseScope scope(context.clock(), Phase::kElementwise, "dropout");
      const auto out = scratch.view().middle_rows({0, rows.size()});
      tensor::PassMask* mask = mask_of(context, operand, k, drawn ? 0 : rows.size(), most);
      if (drawn && mask != nullptr)
        tensor::masked_scale(context, part, *mask, scale, out);
      else
        tensor::dropout_forward(context, part, dropout_of(operand, rows), out, mask);
      part = out;
    }
    const PhaseScope scope(context.clock(), Phase::kGemm, "gemm");
    body(rows, part);
  }
}

bool in_one(const Operand& operand) {
  return (operand.dropout.rate <= 0 && operand.panel == 0 && !operand.on_host) || operand.x.rows() == 0;
}

}  // namespace

Operand Operand::first_rows(Index rows) const {
  Operand part{x.first_rows(rows), dropout, rows == x.rows() ? masks : nullptr, on_host, panel};
  if (!dropout.vertices.empty())
    part.dropout.vertices = dropout.vertices.first(static_cast<std::size_t>(rows));
  return part;
}

void transform(device::Context& context, Workspace& workspace, const Operand& operand,
               MatrixView<const float> w, float beta, MatrixView<float> q) {
  if (in_one(operand)) {
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
  if (in_one(operand)) {
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
  MatrixView<const float> x = operand.x.view();
  if (operand.on_host && x.size() > 0) {
    device::gpu::Device& gpu = context.gpu();
    const auto bytes = [](Index columns) { return static_cast<std::size_t>(columns) * sizeof(float); };
    gpu.copy_2d(y.view().data, bytes(y.view().ld), x.data, bytes(x.ld), bytes(x.cols),
                static_cast<std::size_t>(x.rows), gpu.compute());
    x = y.view();
  }
  if (operand.dropout.rate > 0 || !operand.on_host)
    tensor::dropout_forward(context, x, operand.dropout, y.view(), mask);
  return y;
}

}  // namespace opx::model
