// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Gather-and-add over the entries of a row with the sums of all its columns in registers: one pass over the
// entries fetches whole rows of X, which is what memory likes (panels of columns were 1.4 to 4 times slower).
// The kernels are in rows-inl.hpp, compiled once per instruction set; this file cuts the work and dispatches.
#include "spmm/cpu/multiply.hpp"

#include "spmm/cpu/schedule.hpp"
#include "spmm/kernels.hpp"
#include "tensor/highway_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "spmm/cpu/multiply.cpp"
#include <hwy/foreach_target.h>  // must come before highway.h

#include "spmm/cpu/rows-inl.hpp"

#if HWY_ONCE
namespace opx::spmm::cpu {
namespace {

HWY_EXPORT(sum_rows_float);
HWY_EXPORT(sum_rows_bfloat16);

void sum_rows(const RowsTask<float>& task, Range rows) { HWY_DYNAMIC_DISPATCH(sum_rows_float)(task, rows); }
void sum_rows(const RowsTask<bfloat16>& task, Range rows) {
  HWY_DYNAMIC_DISPATCH(sum_rows_bfloat16)(task, rows);
}

// Streaming stores pay where Y would only push X out of the last-level cache.
constexpr Index kStreamFromBytes = Index{16} << 20;
constexpr Index kCacheLine = 64;

bool may_stream(const tensor::MatrixView<float>& y, bool accumulate) {
  const auto line_floats = kCacheLine / static_cast<Index>(sizeof(float));
  return !accumulate && y.size() * static_cast<Index>(sizeof(float)) >= kStreamFromBytes &&
         y.ld % line_floats == 0 && y.cols % line_floats == 0 &&
         reinterpret_cast<std::uintptr_t>(y.data) % kCacheLine == 0;
}

// The pieces of a hub as the rows of a small matrix of their own, whose result is `partial`.
template <class T>
void sum_piece(const RowsTask<T>& task, Range entries, float* partial) {
  const Index offsets[2] = {entries.begin, entries.end};
  RowsTask<T> piece = task;
  piece.row_offsets = offsets;
  piece.row_scale = nullptr;
  piece.y = {partial, 1, task.y.cols};
  piece.accumulate = piece.stream = false;
  sum_rows(piece, {0, 1});
}

template <class T>
void finish_hub(const RowsTask<T>& task, const Hub& hub, tensor::MatrixView<const float> partials) {
  float* y = task.y.row(hub.row);
  const float scale = task.row_scale != nullptr ? task.row_scale[hub.row] : 1.0F;
  for (Index j = 0; j < task.y.cols; ++j) {
    float sum = 0;
    for (Index piece = hub.pieces.begin; piece < hub.pieces.end; ++piece) sum += partials(piece, j);
    y[j] = scale * sum + (task.accumulate ? y[j] : 0.0F);
  }
}

template <class T>
void multiply_any(device::Context& context, const CsrView& a, tensor::MatrixView<const T> x,
                  tensor::MatrixView<float> y, const MultiplyOptions& options) {
  if (y.size() == 0) return;
  const RowsTask<T> task{a.row_offsets.data(),
                         a.col_ids.data(),
                         a.values.empty() ? nullptr : a.values.data(),
                         options.row_scale.empty() ? nullptr : options.row_scale.data(),
                         options.col_scale.empty() ? nullptr : options.col_scale.data(),
                         a.nnz(),
                         x,
                         y,
                         options.accumulate,
                         may_stream(y, options.accumulate)};
  const Schedule schedule = make_schedule(a);
  const auto pieces = static_cast<Index>(schedule.pieces.size());
  const auto chunks = static_cast<Index>(schedule.chunks.size());
  device::Buffer<float> sums(context, pieces * y.cols);
  const tensor::MatrixView<float> partials{sums.data(), pieces, y.cols};
  context.parallel_for(pieces + chunks, [&](Index i) {
    if (i < pieces)
      sum_piece(task, schedule.pieces[static_cast<std::size_t>(i)], partials.row(i));
    else
      sum_rows(task, schedule.chunks[static_cast<std::size_t>(i - pieces)]);
  });
  context.parallel_for(static_cast<Index>(schedule.hubs.size()), [&](Index h) {
    finish_hub(task, schedule.hubs[static_cast<std::size_t>(h)], partials);
  });
}

}  // namespace

void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options) {
  multiply_any(context, a, x, y, options);
}

void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const bfloat16> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options) {
  multiply_any(context, a, x, y, options);
}

}  // namespace opx::spmm::cpu
#endif  // HWY_ONCE
