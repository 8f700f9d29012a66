// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/gpu/lanes.cuh"

namespace opx::spmm::gpu {
namespace {

// The largest over the warp's groups, each of which has one value in all its lanes.
template <class S>
OPX_DEVICE int most_of_groups(int v) {
  for (int by = S::kLanes; by < dev::kWarp; by *= 2) {
    const int other = dev::shuffle_xor(v, by);
    v = other > v ? other : v;
  }
  return v;
}

template <class T, class S>
struct RowSplit {
  static constexpr const char* kName = "spmm_rows";
  static constexpr int kThreads = gpu::kThreads;
  Operands<T> o;
  std::uint32_t tile_blocks;  // blocks for all rows of one column tile

  OPX_DEVICE void operator()() const { S::kVec == 4 && o.ragged ? run<true>() : run<false>(); }

  template <bool ragged>
  OPX_DEVICE void run() const {
    auto& stage = dev::shared<BlockStages<S>>().warps[dev::warp()];
    const auto block = static_cast<std::uint32_t>(dev::block());
    const Index row = Index{block % tile_blocks} * S::kBlockGroups + dev::thread() / S::kLanes;
    const int col = static_cast<int>(block / tile_blocks) * S::kTile + dev::lane() % S::kLanes * S::kVec;
    Index begin = 0;
    int entries = 0;
    if (row < o.rows) {
      begin = o.row_offsets[row];
      entries = static_cast<int>(o.row_offsets[row + 1] - begin);
    }
    const auto in_stage = [&](int at) { return std::min(std::max(entries - at, 0), int{S::kStage}); };
    Sums<S> sums;
    sums.clear();
    Fetched<S> next;
    fetch(o, begin, in_stage(0), next);
    const int most = most_of_groups<S>(entries);
    for (int at = 0, half = 0; at < most; at += S::kStage, half ^= 1) {
      const int count = in_stage(at);
      const Entry* staged = lay_out(o, next, stage, half, count);
      fetch(o, begin + at + S::kStage, in_stage(at + S::kStage), next);
#pragma unroll 1
      for (int k = 0; k < count; k += S::kBatch)
        sums.template add<ragged>(o.x + col, o.x_row_bytes, staged + k, count - k, o.cols - col);
    }
    if (row < o.rows)
      sums.store(o.y + row * o.y_ld + col, o.cols - col, row_scale_of(o, row), o.accumulate, o.aligned_y);
  }
};

}  // namespace

template <class T>
void multiply_rows(device::Context& context, const CsrView& a, tensor::MatrixView<const T> x,
                   tensor::MatrixView<float> y, const MultiplyOptions& options) {
  const Operands<T> o = operands(a, x, y, options);
  dev::Device& device = context.gpu();
  with_shape(o, [&]<class S>(S) {
    const Index blocks = ceil_div(o.rows, S::kBlockGroups);
    dev::launch(device, device.compute(),
                {.blocks = blocks * ceil_div(o.cols, S::kTile), .threads = kThreads},
                RowSplit<T, S>{o, static_cast<std::uint32_t>(blocks)});
  });
}

template void multiply_rows(device::Context&, const CsrView&, tensor::MatrixView<const float>,
                            tensor::MatrixView<float>, const MultiplyOptions&);
template void multiply_rows(device::Context&, const CsrView&, tensor::MatrixView<const bfloat16>,
                            tensor::MatrixView<float>, const MultiplyOptions&);

}  // namespace opx::spmm::gpu
