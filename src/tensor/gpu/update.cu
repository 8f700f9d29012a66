// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Parameter updates, one pass over each parameter; the sum of squares, per fixed range, added by the host;
// gathered rows.
#include <cmath>
#include <vector>

#include "tensor/deferred.hpp"
#include "tensor/gpu/squares.cuh"

namespace opx::tensor::gpu {
namespace {

struct Sgd {
  static constexpr const char* kName = "sgd_step";
  static constexpr int kThreads = kBlockThreads;
  SgdFactors f;
  const float* gradient;
  float *value, *momentum;  // momentum: null where there is none
  Index n;

  OPX_DEVICE void operator()() const {
    for (Index i = global_thread(); i < n; i += all_threads()) {
      const float before = value[i];
      float g = f.gradient_scale * gradient[i] + f.weight_decay * before;
      if (momentum != nullptr) g = momentum[i] = f.momentum * momentum[i] + g;
      value[i] = before - f.learning_rate * g;
    }
  }
};

struct Adam {
  static constexpr const char* kName = "adam_step";
  static constexpr int kThreads = kBlockThreads;
  AdamFactors f;
  const float* gradient;
  float *value, *first, *second;
  Index n;

  OPX_DEVICE void operator()() const {
    for (Index i = global_thread(); i < n; i += all_threads()) {
      const float before = value[i], g = f.gradient_scale * gradient[i] + f.coupled * before;
      const float m = f.beta1 * first[i] + f.rest1 * g, v = f.beta2 * second[i] + f.rest2 * g * g;
      first[i] = m;
      second[i] = v;
      value[i] = f.kept * before - f.step_size * m / (std::sqrt(v) * f.root + f.epsilon);
    }
  }
};

struct InnerProduct {
  static constexpr const char* kName = "inner_product";
  static constexpr int kThreads = kBlockThreads;
  MatrixView<const float> a, b;
  Index parts;
  double* sums;

  OPX_DEVICE void operator()() const {
    const Range rows = even_range(a.rows, parts, block());
    double sum = 0;
    for (Walk at(a.cols, thread(), kBlockThreads, rows.size() * a.cols); at.inside(); at.advance()) {
      const Index i = rows.begin + at.row(), j = at.col();
      sum += static_cast<double>(a(i, j)) * static_cast<double>(b(i, j));
    }
    sum = block_sum<InnerProduct>(sum);
    if (thread() == 0) sums[block()] = sum;
  }
};

double sum_on_host(device::Context& context, const device::Buffer<double>& sums) {
  std::vector<double> there(static_cast<std::size_t>(sums.size()));
  context.gpu().copy(there.data(), sums.data(), sums.bytes(), context.gpu().compute());
  double total = 0;
  for (const double sum : there) total += sum;
  return total;
}

device::Buffer<double> inner_products(device::Context& context, MatrixView<const float> a,
                                      MatrixView<const float> b) {
  const Index each = std::max<Index>(1, 8 * kBlockThreads / std::max<Index>(a.cols, 1));
  const Index parts = a.size() > 0 ? row_parts(a.rows, each, 1024) : 0;
  device::Buffer<double> sums(context, parts);
  launch_blocks(context, parts, InnerProduct{a, b, parts, sums.data()});
  return sums;
}

/// The sum of doubles, in a fixed order, as a float.
struct RoundedTotal {
  static constexpr const char* kName = "rounded_total";
  static constexpr int kThreads = kBlockThreads;
  const double* sums;
  Index parts;
  float* total;

  OPX_DEVICE void operator()() const {
    double mine = 0;
    for (Index i = thread(); i < parts; i += kBlockThreads) mine += sums[i];
    mine = block_sum<RoundedTotal>(mine);
    if (thread() == 0) *total = static_cast<float>(mine);
  }
};

struct AddOnePlus {
  static constexpr const char* kName = "add_one_plus";
  static constexpr int kThreads = kBlockThreads;
  const float* factor;
  MatrixView<const float> x;
  MatrixView<float> y;

  OPX_DEVICE void operator()() const {
    const float whole = 1 + *factor;
    for (Walk at = Walk::of_grid(y.rows, y.cols); at.inside(); at.advance())
      y(at.row(), at.col()) += whole * x(at.row(), at.col());
  }
};

template <bool kQuads>
struct Gather {
  static constexpr const char* kName = "gather_rows";
  static constexpr int kThreads = kBlockThreads;
  MatrixView<const float> from;
  const std::int32_t* rows;
  Index count;
  MatrixView<float> to;

  OPX_DEVICE void operator()() const {
    constexpr Index kStep = kQuads ? 4 : 1;
    for (Walk at = Walk::of_grid(to.rows, ceil_div(to.cols, kStep)); at.inside(); at.advance()) {
      const Index i = at.row(), j = at.col() * kStep;
      const Index row = i < count ? rows[i] : -1;
      const float* source = row >= 0 ? from.row(row) : nullptr;
      if (kQuads && j + 4 <= to.cols) {
        Quad<float> four{};
        if (source != nullptr) four = *reinterpret_cast<const Quad<float>*>(source + j);
        *reinterpret_cast<Quad<float>*>(to.row(i) + j) = four;
      } else {
        for (Index k = j; k < std::min(j + kStep, to.cols); ++k)
          to(i, k) = source != nullptr ? source[k] : 0.0F;
      }
    }
  }
};

}  // namespace

void sgd_step(device::Context& context, const SgdFactors& f, std::span<const float> gradient,
              std::span<float> value, std::span<float> momentum) {
  const Index n = std::ssize(value);
  launch_walk(context, n, Sgd{f, gradient.data(), value.data(), momentum.data(), n});
}

void adam_step(device::Context& context, const AdamFactors& f, std::span<const float> gradient,
               std::span<float> value, std::span<float> first, std::span<float> second) {
  const Index n = std::ssize(value);
  launch_walk(context, n, Adam{f, gradient.data(), value.data(), first.data(), second.data(), n});
}

double sum_of_squares(device::Context& context, std::span<const float> values) {
  if (values.empty()) return 0;
  return sum_on_host(context, sums_of_squares(context, values));
}

double inner_product(device::Context& context, MatrixView<const float> a, MatrixView<const float> b) {
  return a.size() == 0 ? 0 : sum_on_host(context, inner_products(context, a, b));
}

void gather_rows(device::Context& context, MatrixView<const float> from, std::span<const std::int32_t> rows,
                 MatrixView<float> to) {
  if (has_quads(from) && has_quads(to))
    launch_walk(context, to.rows * ceil_div(to.cols, 4),
                Gather<true>{from, rows.data(), std::ssize(rows), to});
  else
    launch_walk(context, to.size(), Gather<false>{from, rows.data(), std::ssize(rows), to});
}

}  // namespace opx::tensor::gpu

namespace opx::tensor::deferred {

void inner_product(device::Context& context, MatrixView<const float> a, MatrixView<const float> b,
                   float* product) {
  const device::Buffer<double> sums = gpu::inner_products(context, a, b);
  gpu::launch_blocks(context, 1, gpu::RoundedTotal{sums.data(), sums.size(), product});
}

void add_one_plus(device::Context& context, const float* factor, MatrixView<const float> x,
                  MatrixView<float> y) {
  gpu::launch_walk(context, y.size(), gpu::AddOnePlus{factor, x, y});
}

}  // namespace opx::tensor::deferred
