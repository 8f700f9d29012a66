// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/gpu/lanes.cuh"

namespace opx::spmm::gpu {
namespace {

struct NarrowOffsets {
  static constexpr const char* kName = "spmm_narrow_offsets";
  static constexpr int kThreads = gpu::kThreads;
  const Index* from;
  std::int32_t* to;
  Index n;
  OPX_DEVICE void operator()() const {
    for (Index i = dev::global_thread(); i < n; i += dev::all_threads())
      to[i] = static_cast<std::int32_t>(from[i]);
  }
};

// A warp weighs a run of entries: each lane looks for the row of its first one, and goes on from there.
struct WeighEntries {
  static constexpr const char* kName = "spmm_weigh";
  static constexpr int kThreads = gpu::kThreads;
  static constexpr int kRun = 1024;
  const Index* row_offsets;
  const LocalIndex* col_ids;
  const float *values, *row_scale, *col_scale;
  float* weights;
  Index rows, nnz;
  OPX_DEVICE void operator()() const {
    const Index begin = (dev::block() * kWarps + dev::warp()) * kRun;
    const Index end = std::min<Index>(begin + kRun, nnz);
    Index row = 0;
    for (Index e = begin + dev::lane(); e < end; e += dev::kWarp) {
      float weight = values != nullptr ? values[e] : 1.0F;
      if (row_scale != nullptr) {
        row = row_of(row_offsets, rows, row, e);
        weight *= row_scale[row];
      }
      if (col_scale != nullptr) weight *= col_scale[col_ids[e]];
      weights[e] = weight;
    }
  }
};

}  // namespace

void narrow_offsets(dev::Device& device, const CsrView& a, std::int32_t* to) {
  dev::launch(device, device.compute(),
              {.blocks = dev::blocks_for(a.rows + 1, kThreads), .threads = kThreads},
              NarrowOffsets{a.row_offsets.data(), to, a.rows + 1});
}

Weighed weigh(device::Context& context, const CsrView& a, const MultiplyOptions& options) {
  dev::Device& device = context.gpu();
  const auto given = [](std::span<const float> s) { return s.empty() ? nullptr : s.data(); };
  Weighed out;
  out.weights = a.values;
  if (!a.values.empty() && options.row_scale.empty() && options.col_scale.empty()) return out;
  out.own = device::Buffer<float>(context, a.nnz());
  out.weights = std::as_const(out.own).span();
  dev::launch(device, device.compute(),
              {.blocks = ceil_div(a.nnz(), kWarps * WeighEntries::kRun), .threads = kThreads},
              WeighEntries{.row_offsets = a.row_offsets.data(),
                           .col_ids = a.col_ids.data(),
                           .values = given(a.values),
                           .row_scale = given(options.row_scale),
                           .col_scale = given(options.col_scale),
                           .weights = out.own.data(),
                           .rows = a.rows,
                           .nnz = a.nnz()});
  return out;
}

}  // namespace opx::spmm::gpu
