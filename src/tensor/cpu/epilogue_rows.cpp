// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "tensor/cpu/epilogue_rows.hpp"

#include <algorithm>
#include <cmath>

#include "tensor/highway_targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/cpu/epilogue_rows.cpp"
// The order is Highway's.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "tensor/cpu/philox-inl.hpp"
#include "tensor/cpu/rows-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace opx::tensor::cpu::HWY_NAMESPACE {

/// Keep bits of one row after another; all ones where dropout is off.
class KeepBits {
 public:
  KeepBits(const Dropout& dropout, Index cols)
      : dropout_(dropout),
        shift_(dropout.col_begin % 8),
        draws_(dropout.rate > 0.0F ? ceil_div(shift_ + cols, 8) : 0),
        words_(static_cast<size_t>(ceil_div(cols, 64) + 1 + static_cast<Index>(HWY_MAX_BYTES) / 8),
               ~std::uint64_t{0}),
        threshold_(static_cast<std::uint16_t>(std::ceil(static_cast<double>(dropout.rate) * 65536.0) - 1)) {}

  HWY_INLINE const std::uint64_t* row(Index i) {
    if (draws_ == 0) return words_.data();
    const Index vertex =
        dropout_.vertices.empty() ? dropout_.vertex_begin + i : dropout_.vertices[static_cast<size_t>(i)];
    const auto counter = base::counter_words({.step = dropout_.step,
                                              .layer = dropout_.layer,
                                              .vertex = static_cast<std::uint64_t>(vertex),
                                              .word = static_cast<std::uint32_t>(dropout_.col_begin / 8)});
    const auto key = base::key_words({dropout_.seed, base::Purpose::kDropout});
    keep_bits(counter, key, threshold_, draws_, reinterpret_cast<std::uint8_t*>(words_.data()));
    if (shift_ != 0) shift_down();
    return words_.data();
  }

 private:
  void shift_down() {
    for (Index w = 0; w * 8 < draws_; ++w) {
      const auto at = static_cast<size_t>(w);
      words_[at] = (words_[at] >> shift_) | (words_[at + 1] << (64 - shift_));
    }
  }

  const Dropout& dropout_;
  Index shift_, draws_;
  std::vector<std::uint64_t> words_;
  std::uint16_t threshold_;
};

struct Moments {
  float mean = 0, inverse_std = 1;
};

Moments row_moments(const float* HWY_RESTRICT q, const float* HWY_RESTRICT center, Index n,
                    const Epilogue& e) {
  const F32 d;
  Moments m;
  const auto size = static_cast<float>(n);
  if (e.norm == Norm::kLayer) {
    VF sum = hn::Zero(d);
    for (Index j = 0; j < n; j += lanes())
      sum = hn::Add(sum, hn::Sub(load(q, j, n), hn::IfThenElseZero(inside(j, n), hn::LoadU(d, center + j))));
    m.mean = sum_of(sum) / size;
  }
  const VF mean = hn::Set(d, m.mean);
  VF squares = hn::Zero(d);
  for (Index j = 0; j < n; j += lanes()) {
    const VF x = hn::Sub(hn::Sub(load(q, j, n), hn::LoadU(d, center + j)), mean);
    const VF kept = hn::IfThenElseZero(inside(j, n), x);
    squares = hn::MulAdd(kept, kept, squares);
  }
  m.inverse_std = 1.0F / std::sqrt(sum_of(squares) / size + e.epsilon);
  return m;
}

void ForwardRow(const ForwardRows& args, Index i, Moments m, const std::uint64_t* keep, float scale) {
  const F32 d;
  const Index n = args.q.cols;
  const float* q = args.q.row(i);
  const float* residual = args.residual.data == nullptr ? nullptr : args.residual.row(i);
  float* y = args.y.row(i);
  const EpilogueColumns& c = args.columns;
  const bool relu = args.epilogue.activation == Activation::kRelu;
  const VF mean = hn::Set(d, m.mean), inverse_std = hn::Set(d, m.inverse_std), factor = hn::Set(d, scale);
  for (Index word = 0; word * 64 < n; ++word) {
    std::uint64_t passed = 0;
    for (Index j = word * 64; j < HWY_MIN(n, word * 64 + 64); j += lanes()) {
      const VF x = hn::Sub(hn::Sub(load(q, j, n), hn::LoadU(d, c.center.data() + j)), mean);
      const VF slope = hn::Mul(inverse_std, hn::LoadU(d, c.inverse_std.data() + j));
      const VF v =
          hn::MulAdd(hn::Mul(x, slope), hn::LoadU(d, c.gamma.data() + j), hn::LoadU(d, c.beta.data() + j));
      MF pass = hn::And(mask_from_bits(keep[word], j % 64), inside(j, n));
      if (relu) pass = hn::AndNot(hn::Le(v, hn::Zero(d)), pass);  // NaN passes, so that it is seen
      VF out = hn::IfThenElseZero(pass, hn::Mul(v, factor));
      if (residual != nullptr) out = hn::Add(out, load(residual, j, n));
      store(out, y, j, n);
      passed |= bits_from_mask(pass, j % 64);
    }
    if (args.mask != nullptr) args.mask->row(i)[word] = passed;
  }
}

void ForwardRange(const ForwardRows& args, Range rows) {
  const Norm norm = args.epilogue.norm;
  const bool row_norm = norm == Norm::kLayer || norm == Norm::kRms;
  const float scale = static_cast<float>(1 / (1 - static_cast<double>(args.epilogue.dropout.rate)));
  KeepBits keep(args.epilogue.dropout, args.q.cols);
  for (Index i = rows.begin; i < rows.end; ++i) {
    Moments m;
    if (row_norm) m = row_moments(args.q.row(i), args.columns.center.data(), args.q.cols, args.epilogue);
    if (args.moments != nullptr && norm == Norm::kLayer) args.moments->mean[static_cast<size_t>(i)] = m.mean;
    if (args.moments != nullptr && row_norm)
      args.moments->inverse_std[static_cast<size_t>(i)] = m.inverse_std;
    ForwardRow(args, i, m, keep.row(i), scale);
  }
}

/// fp32 sums of a few rows, emptied into fp64.
class ColumnAccumulator {
 public:
  explicit ColumnAccumulator(Index cols) : values_(static_cast<size_t>(ceil_div(cols, 64) * 64)) {}
  HWY_INLINE void add(Index j, VF v) {
    float* p = values_.data() + j;
    hn::StoreU(hn::Add(hn::LoadU(F32(), p), v), F32(), p);
  }
  void flush(std::vector<double>& to) {
    for (size_t j = 0; j < to.size(); ++j) to[j] += static_cast<double>(values_[j]);
    std::fill(values_.begin(), values_.end(), 0.0F);
  }

 private:
  std::vector<float> values_;
};

struct Accumulators {
  explicit Accumulators(Index cols) : bias(cols), gamma(cols), beta(cols) {}
  ColumnAccumulator bias, gamma, beta;
};

HWY_INLINE VF passed_gradient(const float* dy, const std::uint64_t* pass, Index j, Index n, VF scale) {
  return hn::IfThenElseZero(mask_from_bits(pass[j / 64], j % 64), hn::Mul(load(dy, j, n), scale));
}

void BackwardPlainRow(const BackwardRows& args, Index i, Accumulators& sums) {
  const Index n = args.dy.cols;
  const VF scale = hn::Set(F32(), args.scale);
  for (Index j = 0; j < n; j += lanes()) {
    const VF g = passed_gradient(args.dy.row(i), args.mask.row(i), j, n, scale);
    store(g, args.dq.row(i), j, n);
    sums.bias.add(j, g);
  }
}

/// Row i with a norm: h = gamma g and xhat go to `work` (2 x padded columns), then dq from their means.
void BackwardNormRow(const BackwardRows& args, Index i, Accumulators& sums, float* HWY_RESTRICT work) {
  const F32 d;
  const Index n = args.dy.cols;
  const auto padded = static_cast<Index>(args.columns.gamma.size());
  const EpilogueColumns& c = args.columns;
  const bool row_norm = args.norm != Norm::kBatch;
  const auto at = static_cast<size_t>(i);
  const float inverse_std_i = row_norm ? args.moments->inverse_std[at] : 1.0F;
  const VF mean = hn::Set(d, args.norm == Norm::kLayer ? args.moments->mean[at] : 0.0F);
  const VF inverse_std = hn::Set(d, inverse_std_i), scale = hn::Set(d, args.scale);
  VF sum_h = hn::Zero(d), sum_hx = hn::Zero(d);
  for (Index j = 0; j < n; j += lanes()) {
    const VF g = passed_gradient(args.dy.row(i), args.mask.row(i), j, n, scale);
    const VF x = hn::Sub(hn::Sub(load(args.q.row(i), j, n), hn::LoadU(d, c.center.data() + j)), mean);
    const VF xhat = hn::Mul(x, hn::Mul(inverse_std, hn::LoadU(d, c.inverse_std.data() + j)));
    sums.gamma.add(j, hn::IfThenElseZero(inside(j, n), hn::Mul(g, xhat)));
    sums.beta.add(j, g);
    const VF h = row_norm ? hn::Mul(g, hn::LoadU(d, c.gamma.data() + j)) : g;
    if (!row_norm) {
      store(h, args.dq.row(i), j, n);
      continue;
    }
    hn::StoreU(h, d, work + j);
    hn::StoreU(xhat, d, work + padded + j);
    sum_h = hn::Add(sum_h, h);
    sum_hx = hn::MulAdd(h, hn::IfThenElseZero(inside(j, n), xhat), sum_hx);
  }
  if (!row_norm) return;
  const VF mean_h = hn::Set(d, args.norm == Norm::kLayer ? sum_of(sum_h) / static_cast<float>(n) : 0.0F);
  const VF mean_hx = hn::Set(d, sum_of(sum_hx) / static_cast<float>(n));
  for (Index j = 0; j < n; j += lanes()) {
    const VF centred = hn::Sub(hn::LoadU(d, work + j), mean_h);
    const VF dq = hn::Mul(inverse_std, hn::NegMulAdd(hn::LoadU(d, work + padded + j), mean_hx, centred));
    store(dq, args.dq.row(i), j, n);
    sums.bias.add(j, hn::IfThenElseZero(inside(j, n), dq));
  }
}

void BackwardRange(const BackwardRows& args, Range rows, GradientSums& sums) {
  constexpr Index kRowsPerFlush = 64;
  Accumulators partial(args.dy.cols);
  std::vector<float> work(args.norm == Norm::kNone ? 0 : 2 * args.columns.gamma.size());
  for (Index begin = rows.begin; begin < rows.end; begin += kRowsPerFlush) {
    const Index end = HWY_MIN(rows.end, begin + kRowsPerFlush);
    for (Index i = begin; i < end; ++i) {
      if (args.norm == Norm::kNone)
        BackwardPlainRow(args, i, partial);
      else
        BackwardNormRow(args, i, partial, work.data());
    }
    if (args.norm != Norm::kBatch) partial.bias.flush(sums.bias);
    if (args.norm != Norm::kNone) partial.gamma.flush(sums.gamma);
    if (args.norm == Norm::kLayer || args.norm == Norm::kBatch) partial.beta.flush(sums.beta);
  }
}

void MaskedScaleRange(MatrixView<const float> dy, const PassMask& mask, float scale, MatrixView<float> dx,
                      Range rows) {
  const VF factor = hn::Set(F32(), scale);
  for (Index i = rows.begin; i < rows.end; ++i)
    for (Index j = 0; j < dy.cols; j += lanes())
      store(passed_gradient(dy.row(i), mask.row(i), j, dy.cols, factor), dx.row(i), j, dy.cols);
}

void ColumnSumsRange(MatrixView<const float> q, std::span<const double> offset, Range rows,
                     std::span<double> sum, std::span<double> sum_squares) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> half;
  const auto step = static_cast<Index>(hn::Lanes(d));
  for (Index i = rows.begin; i < rows.end; ++i) {
    const float* row = q.row(i);
    Index j = 0;
    for (; j + step <= q.cols; j += step) {
      const auto x = hn::Add(hn::PromoteTo(d, hn::LoadU(half, row + j)), hn::LoadU(d, offset.data() + j));
      hn::StoreU(hn::Add(hn::LoadU(d, sum.data() + j), x), d, sum.data() + j);
      hn::StoreU(hn::MulAdd(x, x, hn::LoadU(d, sum_squares.data() + j)), d, sum_squares.data() + j);
    }
    for (; j < q.cols; ++j) {
      const auto at = static_cast<size_t>(j);
      const double x = static_cast<double>(row[j]) + offset[at];
      sum[at] += x;
      sum_squares[at] += x * x;
    }
  }
}

void BatchNormRange(MatrixView<const float> q, const BatchNormColumns& c, Range rows, MatrixView<float> dq) {
  const Index n = q.cols;
  for (Index i = rows.begin; i < rows.end; ++i)
    for (Index j = 0; j < n; j += lanes()) {
      const VF x = hn::Sub(load(q.row(i), j, n), load(c.center.data(), j, n));
      const VF g = hn::Sub(load(dq.row(i), j, n), load(c.mean.data(), j, n));
      const VF centred = hn::NegMulAdd(x, load(c.slope.data(), j, n), g);
      store(hn::Mul(centred, load(c.factor.data(), j, n)), dq.row(i), j, n);
    }
}

}  // namespace opx::tensor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace opx::tensor::cpu {

HWY_EXPORT(ForwardRange);
HWY_EXPORT(BackwardRange);
HWY_EXPORT(MaskedScaleRange);
HWY_EXPORT(ColumnSumsRange);
HWY_EXPORT(BatchNormRange);

void forward_rows(const ForwardRows& args, Range rows) { HWY_DYNAMIC_DISPATCH(ForwardRange)(args, rows); }

void backward_rows(const BackwardRows& args, Range rows, GradientSums& sums) {
  HWY_DYNAMIC_DISPATCH(BackwardRange)(args, rows, sums);
}

void masked_scale_rows(MatrixView<const float> dy, const PassMask& mask, float scale, MatrixView<float> dx,
                       Range rows) {
  HWY_DYNAMIC_DISPATCH(MaskedScaleRange)(dy, mask, scale, dx, rows);
}

void column_sums_rows(MatrixView<const float> q, std::span<const double> offset, Range rows,
                      std::span<double> sum, std::span<double> sum_squares) {
  HWY_DYNAMIC_DISPATCH(ColumnSumsRange)(q, offset, rows, sum, sum_squares);
}

void batch_norm_rows(MatrixView<const float> q, const BatchNormColumns& columns, Range rows,
                     MatrixView<float> dq) {
  HWY_DYNAMIC_DISPATCH(BatchNormRange)(q, columns, rows, dq);
}

}  // namespace opx::tensor::cpu
#endif  // HWY_ONCE
