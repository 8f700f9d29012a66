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
  Index tile_blocks;  // blocks for all rows of one column tile

  OPX_DEVICE void operator()() const {
    auto& stage = dev::shared<BlockStages<S>>().warps[dev::warp()];
    const Index row = dev::block() % tile_blocks * S::kBlockGroups + dev::thread() / S::kLanes;
    const int col =
        static_cast<int>(dev::block() / tile_blocks) * S::kTile + dev::lane() % S::kLanes * S::kVec;
    Index begin = 0;
    int entries = 0;
    if (row < o.rows) {
      begin = o.row_offsets[row];
      entries = static_cast<int>(o.row_offsets[row + 1] - begin);
    }
    Sums<S> sums;
    sums.clear();
    const int most = most_of_groups<S>(entries);
    for (int at = 0, half = 0; at < most; at += S::kStage, half ^= 1) {
      const int count = std::min(std::max(entries - at, 0), int{S::kStage});
      const Entry* staged = lay_out(o, stage, half, begin + at, count);
#pragma unroll 4
      for (int k = 0; k < count; ++k)
        sums.add(o.x + staged[k].col * o.x_ld + col, o.cols - col, staged[k].weight);
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
                RowSplit<T, S>{o, blocks});
  });
}

template void multiply_rows(device::Context&, const CsrView&, tensor::MatrixView<const float>,
                            tensor::MatrixView<float>, const MultiplyOptions&);
template void multiply_rows(device::Context&, const CsrView&, tensor::MatrixView<const bfloat16>,
                            tensor::MatrixView<float>, const MultiplyOptions&);

}  // namespace opx::spmm::gpu
