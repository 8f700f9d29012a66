// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Passes bound by memory: y = op(x, y) by four elements at a time where both sides' rows are aligned; the
// rows of contiguous matrices are one.
#include "tensor/gpu/kernel.cuh"

namespace opx::tensor::gpu {
namespace {

// Ops: what they read, whether they need to know the place, and one element's work.

struct AddScaledOp {
  static constexpr const char* kName = "add_scaled";
  static constexpr bool kReadsX = true, kReadsY = true, kPlaced = false;
  float alpha;
  OPX_DEVICE float operator()(Index, Index, float x, float y) const { return y + alpha * x; }
};

struct FillOp {
  static constexpr const char* kName = "fill";
  static constexpr bool kReadsX = false, kReadsY = false, kPlaced = false;
  float value;
  OPX_DEVICE float operator()(Index, Index, float, float) const { return value; }
};

template <class To>
struct ConvertOp {
  static constexpr const char* kName = "convert";
  static constexpr bool kReadsX = true, kReadsY = false, kPlaced = false;
  template <class From>
  OPX_DEVICE To operator()(Index, Index, From x, To) const {
    return static_cast<To>(x);
  }
};

struct ScaleRowsOp {
  static constexpr const char* kName = "scale_rows";
  static constexpr bool kReadsX = true, kReadsY = false, kPlaced = true;
  const float* scale;
  OPX_DEVICE float operator()(Index i, Index, float x, float) const { return x * scale[i]; }
};

struct MaskedScaleOp {
  static constexpr const char* kName = "masked_scale";
  static constexpr bool kReadsX = true, kReadsY = false, kPlaced = true;
  const std::uint64_t* bits;
  Index words;
  float scale;
  OPX_DEVICE float operator()(Index i, Index j, float x, float) const {
    return ((bits[i * words + j / 64] >> (j % 64)) & 1U) != 0 ? x * scale : 0.0F;
  }
};

template <class Op, class From, class To, bool kQuads>
struct Map {
  static constexpr const char* kName = Op::kName;
  static constexpr int kThreads = kBlockThreads;
  Op op;
  MatrixView<const From> x;
  MatrixView<To> y;

  OPX_DEVICE void operator()() const {
    constexpr Index kStep = kQuads ? 4 : 1;
    for (Walk at = Walk::of_grid(y.rows, ceil_div(y.cols, kStep)); at.inside(); at.advance()) {
      const Index i = at.row(), j = at.col() * kStep;
      if (kQuads && j + 4 <= y.cols) {
        four(i, j);
      } else {
        // Not up to a minimum of both ends: nvcc 12.4 does not come to an end with that.
        for (Index k = 0; k < kStep; ++k)
          if (j + k < y.cols) one(i, j + k);
      }
    }
  }
  OPX_DEVICE void one(Index i, Index j) const {
    From in{};
    To out{};
    if constexpr (Op::kReadsX) in = x(i, j);
    if constexpr (Op::kReadsY) out = y(i, j);
    y(i, j) = op(i, j, in, out);
  }
  OPX_DEVICE void four(Index i, Index j) const {
    Quad<From> in{};
    Quad<To> out{};
    auto* to = reinterpret_cast<Quad<To>*>(y.row(i) + j);
    if constexpr (Op::kReadsX) in = *reinterpret_cast<const Quad<From>*>(x.row(i) + j);
    if constexpr (Op::kReadsY) out = *to;
    for (int k = 0; k < 4; ++k) out.v[k] = op(i, j + k, in.v[k], out.v[k]);
    *to = out;
  }
};

template <class Op, class From, class To>
void map(device::Context& context, const Op& op, MatrixView<const From> x, MatrixView<To> y) {
  if (!Op::kPlaced && x.contiguous() && y.contiguous()) {
    x = {x.data, 1, x.size()};
    y = {y.data, 1, y.size()};
  }
  if (has_quads(x) && has_quads(y))
    launch_walk(context, y.rows * ceil_div(y.cols, 4), Map<Op, From, To, true>{op, x, y});
  else
    launch_walk(context, y.size(), Map<Op, From, To, false>{op, x, y});
}

}  // namespace

void add_scaled(device::Context& context, float alpha, MatrixView<const float> x, MatrixView<float> y) {
  map(context, AddScaledOp{alpha}, x, y);
}

void copy(device::Context& context, MatrixView<const float> x, MatrixView<float> y) {
  map(context, ConvertOp<float>{}, x, y);
}

void fill(device::Context& context, float value, MatrixView<float> y) {
  map(context, FillOp{value}, MatrixView<const float>(y), y);
}

void convert(device::Context& context, MatrixView<const float> x, MatrixView<bfloat16> y) {
  map(context, ConvertOp<bfloat16>{}, x, y);
}

void convert(device::Context& context, MatrixView<const bfloat16> x, MatrixView<float> y) {
  map(context, ConvertOp<float>{}, x, y);
}

void scale_rows(device::Context& context, MatrixView<const float> x, std::span<const float> scale,
                MatrixView<float> y) {
  map(context, ScaleRowsOp{scale.data()}, x, y);
}

void masked_scale(device::Context& context, MatrixView<const float> dy, const PassMask& mask, float scale,
                  MatrixView<float> dx) {
  map(context, MaskedScaleOp{mask.row(0), mask.words_per_row(), scale}, dy, dx);
}

}  // namespace opx::tensor::gpu
