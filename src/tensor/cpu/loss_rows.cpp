// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/loss_rows.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.hpp"
#include "tensor/highway_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/loss_rows.cpp"
// The order is Highway's.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

#include "tensor/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace opx::tensor::cpu::HWY_NAMESPACE {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Largest entry of a row without its NaNs; -infinity where there is none.
float row_max(const float* row, Index n, bool& has_nan) {
  const F32 d;
  const VF lowest = hn::Set(d, -kInfinity);
  VF best = lowest;
  MF nan = hn::FirstN(d, 0);
  for (Index j = 0; j < n; j += lanes()) {
    const VF x = hn::IfThenElse(inside(j, n), load(row, j, n), lowest);
    nan = hn::Or(nan, hn::IsNaN(x));
    best = hn::Max(best, hn::IfThenElse(hn::IsNaN(x), lowest, x));
  }
  has_nan = !hn::AllFalse(d, nan);
  return hn::GetLane(hn::MaxOfLanes(d, best));
}

/// out = exp(row - max) (may be the row itself); returns its sum.
float exp_row(const float* row, Index n, float max, float* out) {
  const F32 d;
  VF sum = hn::Zero(d);
  for (Index j = 0; j < n; j += lanes()) {
    const VF e = hn::Exp(d, hn::Sub(load(row, j, n), hn::Set(d, max)));
    sum = hn::Add(sum, hn::IfThenElseZero(inside(j, n), e));
    store(e, out, j, n);
  }
  return sum_of(sum);
}

void scale_row(float* row, Index n, float factor) {
  for (Index j = 0; j < n; j += lanes()) store(hn::Mul(load(row, j, n), hn::Set(F32(), factor)), row, j, n);
}

/// Softmax of a row times `factor` into out; returns log(sum exp). NaN everywhere where the row has no
/// softmax.
double softmax_row(const float* row, Index n, float factor, float* out) {
  bool has_nan = false;
  const float max = row_max(row, n, has_nan);
  if (has_nan || !std::isfinite(max)) {
    std::fill_n(out, n, kNan);
    return static_cast<double>(kNan);
  }
  const float sum = exp_row(row, n, max, out);
  scale_row(out, n, factor / sum);
  return std::log(static_cast<double>(sum)) + static_cast<double>(max);
}

double weight_of(std::span<const float> weights, Index i) {
  return weights.empty() ? 1.0 : static_cast<double>(weights[static_cast<size_t>(i)]);
}

LossSum CrossEntropyRange(const CrossEntropyRows& args, Range rows) {
  const Index n = args.logits.cols;
  const bool wants_gradient = args.gradient.data != nullptr;
  std::vector<float> scratch(wants_gradient ? 0 : static_cast<size_t>(n));
  LossSum total;
  for (Index i = rows.begin; i < rows.end; ++i) {
    const std::int32_t label = args.labels[static_cast<size_t>(i)];
    float* out = wants_gradient ? args.gradient.row(i) : scratch.data();
    if (args.use[static_cast<size_t>(i)] == 0 || label < 0) {
      if (wants_gradient) std::fill_n(out, n, 0.0F);
      continue;
    }
    OPX_REQUIRE(label < n, InvalidArgument, "row {} has label {}, but there are {} classes", i, label, n);
    const double wanted = static_cast<double>(args.logits(i, label)), weight = weight_of(args.weights, i);
    const auto scale = static_cast<float>(args.scale * weight);
    total.sum += weight * (softmax_row(args.logits.row(i), n, scale, out) - wanted);
    ++total.terms;
    out[label] -= scale;
  }
  return total;
}

/// exp(-|x|), the one exponential that sigmoid and its loss need without overflow.
HWY_INLINE VF exp_of_minus_abs(VF x) { return hn::Exp(F32(), hn::Neg(hn::Abs(x))); }

HWY_INLINE VF sigmoid_of(VF x, VF e) {
  const F32 d;
  const VF one = hn::Set(d, 1.0F);
  const VF s = hn::Div(hn::IfThenElse(hn::Ge(x, hn::Zero(d)), one, e), hn::Add(one, e));
  return hn::IfThenElse(hn::IsNaN(x), x, s);
}

LossSum bce_row(const BceRows& args, Index i) {
  const F32 d;
  const Index n = args.logits.cols;
  const double weight = weight_of(args.weights, i);
  const VF scale = hn::Set(d, static_cast<float>(args.scale * weight));
  VF sum = hn::Zero(d);
  LossSum row;
  for (Index j = 0; j < n; j += lanes()) {
    const VF x = load(args.logits.row(i), j, n), t = load(args.targets.row(i), j, n);
    const MF counts = hn::And(inside(j, n), hn::IsFinite(t));
    const VF e = exp_of_minus_abs(x);
    const VF positive = hn::IfThenZeroElse(hn::Le(x, hn::Zero(d)), x);
    const VF loss = hn::Add(hn::NegMulAdd(x, t, positive), hn::Log1p(d, e));
    sum = hn::Add(sum, hn::IfThenElseZero(counts, loss));
    row.terms += static_cast<Index>(hn::CountTrue(d, counts));
    if (args.gradient.data == nullptr) continue;
    const VF gradient = hn::Mul(scale, hn::Sub(sigmoid_of(x, e), t));
    store(hn::IfThenElseZero(counts, gradient), args.gradient.row(i), j, n);
  }
  row.sum = weight * static_cast<double>(sum_of(sum));
  return row;
}

LossSum BceRange(const BceRows& args, Range rows) {
  LossSum total;
  for (Index i = rows.begin; i < rows.end; ++i) {
    if (args.use[static_cast<size_t>(i)] == 0) {
      if (args.gradient.data != nullptr) std::fill_n(args.gradient.row(i), args.gradient.cols, 0.0F);
      continue;
    }
    const LossSum row = bce_row(args, i);
    total.sum += row.sum;
    total.terms += row.terms;
  }
  return total;
}

void SoftmaxRange(MatrixView<float> x, Range rows) {
  for (Index i = rows.begin; i < rows.end; ++i) (void)softmax_row(x.row(i), x.cols, 1.0F, x.row(i));
}

void SigmoidRange(MatrixView<float> x, Range rows) {
  for (Index i = rows.begin; i < rows.end; ++i)
    for (Index j = 0; j < x.cols; j += lanes()) {
      const VF v = load(x.row(i), j, x.cols);
      store(sigmoid_of(v, exp_of_minus_abs(v)), x.row(i), j, x.cols);
    }
}

void ArgmaxRange(MatrixView<const float> x, std::span<std::int32_t> best, Range rows) {
  const F32 d;
  for (Index i = rows.begin; i < rows.end; ++i) {
    bool has_nan = false;
    const VF max = hn::Set(d, row_max(x.row(i), x.cols, has_nan));
    Index winner = 0;
    for (Index j = 0; j < x.cols; j += lanes()) {
      const MF hit = hn::And(inside(j, x.cols), hn::Eq(load(x.row(i), j, x.cols), max));
      if (hn::AllFalse(d, hit)) continue;
      winner = j + static_cast<Index>(hn::FindFirstTrue(d, hit));
      break;
    }
    best[static_cast<size_t>(i)] = static_cast<std::int32_t>(winner);
  }
}

}  // namespace opx::tensor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace opx::tensor::cpu {

HWY_EXPORT(CrossEntropyRange);
HWY_EXPORT(BceRange);
HWY_EXPORT(SoftmaxRange);
HWY_EXPORT(SigmoidRange);
HWY_EXPORT(ArgmaxRange);

LossSum cross_entropy_rows(const CrossEntropyRows& args, Range rows) {
  return HWY_DYNAMIC_DISPATCH(CrossEntropyRange)(args, rows);
}
LossSum bce_rows(const BceRows& args, Range rows) { return HWY_DYNAMIC_DISPATCH(BceRange)(args, rows); }
void softmax_range(MatrixView<float> x, Range rows) { HWY_DYNAMIC_DISPATCH(SoftmaxRange)(x, rows); }
void sigmoid_range(MatrixView<float> x, Range rows) { HWY_DYNAMIC_DISPATCH(SigmoidRange)(x, rows); }
void argmax_range(MatrixView<const float> x, std::span<std::int32_t> best, Range rows) {
  HWY_DYNAMIC_DISPATCH(ArgmaxRange)(x, best, rows);
}

}  // namespace opx::tensor::cpu
#endif  // HWY_ONCE
