// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/host_input.hpp"

#include <algorithm>
#include <utility>

namespace opx::model {
namespace {

using device::gpu::StreamUse;
using tensor::MatrixView;
constexpr std::size_t kFloat = sizeof(float);

void copy(device::gpu::Device& gpu, MatrixView<const float> from, MatrixView<float> to,
          device::gpu::Stream stream) {
  const auto bytes = [](Index columns) { return static_cast<std::size_t>(columns) * kFloat; };
  gpu.copy_2d(to.data, bytes(to.ld), from.data, bytes(from.ld), bytes(from.cols),
              static_cast<std::size_t>(from.rows), stream);
}

}  // namespace

HostMatrix host_matrix(device::Context& context, MatrixView<const float> from) {
  HostMatrix to(context, from.rows, from.cols);
  const MatrixView<float> rows = to.view();
  context.host().parallel_ranges(from.rows, 1024, [&](Range part) {
    for (Index i = part.begin; i < part.end; ++i) std::copy_n(from.row(i), from.cols, rows.row(i));
  });
  return to;
}

HostMatrix host_aggregation(device::Context& context, parallel::Aggregator& aggregator,
                            MatrixView<const float> x) {
  device::gpu::Device& gpu = context.gpu();
  HostMatrix out(context, x.rows, x.cols);
  for (Index begin = 0; begin < x.cols; begin += kAggregatedColumns) {
    const Range columns{begin, std::min(begin + kAggregatedColumns, x.cols)};
    tensor::Matrix<float> from(context, x.rows, columns.size()), to(context, x.rows, columns.size());
    copy(gpu, x.middle_cols(columns), from.view(), gpu.compute());
    aggregator.forward(0, std::as_const(from).view(), to.view());
    copy(gpu, to.view(), out.view().middle_cols(columns), gpu.compute());
  }
  gpu.synchronise(gpu.compute());
  return out;
}

PanelStream::PanelStream(device::Context& context, Workspace& workspace, MatrixView<const float> from,
                         Index rows)
    : gpu_(context.gpu()), from_(from), rows_(rows) {
  // One row of memory: a panel is contiguous whatever the Workspace does to rows.
  for (Array& array : slots_) array = workspace.take(1, std::min(rows, from.rows) * from.cols);
  if (from.rows > 0) fetch(0);
}

// The slots go back to the Workspace in the order of the compute stream.
PanelStream::~PanelStream() {
  try {
    gpu_.order(gpu_.stream(StreamUse::kCopy), gpu_.compute());
  } catch (...) {  // a lost device: the next call says so
  }
}

MatrixView<float> PanelStream::slot(Index k) {
  const Range rows{k * rows_, std::min((k + 1) * rows_, from_.rows)};
  return {slots_[static_cast<std::size_t>(k % 2)].view().data, rows.size(), from_.cols, from_.cols};
}

// Behind all work of the compute stream until now, which the slot's last reader is part of.
void PanelStream::fetch(Index k) {
  const device::gpu::Stream stream = gpu_.stream(StreamUse::kCopy);
  const MatrixView<float> to = slot(k);
  gpu_.order(gpu_.compute(), stream);
  copy(gpu_, from_.middle_rows({k * rows_, k * rows_ + to.rows}), to, stream);
  gpu_.record(ready_[static_cast<std::size_t>(k % 2)], stream);
}

MatrixView<const float> PanelStream::panel(Index k) {
  gpu_.wait(gpu_.compute(), ready_[static_cast<std::size_t>(k % 2)]);
  if ((k + 1) * rows_ < from_.rows) fetch(k + 1);
  return slot(k);
}

}  // namespace opx::model
