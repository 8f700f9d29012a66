// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdint>

#include "device/gpu/api.hpp"
#include "parallel/self_normalise.hpp"

namespace opx::parallel::detail::gpu {
namespace {

namespace dg = device::gpu;
constexpr int kBlockThreads = 256;
constexpr Index kMostBlocks = 4096;

template <class Kernel>
void launch(device::Context& context, Index threads, const Kernel& kernel) {
  const Index blocks = std::min(dg::blocks_for(threads, kBlockThreads), kMostBlocks);
  dg::launch(context.gpu(), context.gpu().compute(), {.blocks = blocks, .threads = kBlockThreads}, kernel);
}

struct RowFactors {
  static constexpr const char* kName = "row_factors";
  static constexpr int kThreads = kBlockThreads;
  const float *full, *diagonal;
  tensor::MatrixView<const float> sums;
  float* c;
  Index n;

  OPX_DEVICE void operator()() const {
    for (Index i = dg::global_thread(); i < n; i += dg::all_threads())
      c[i] = row_factor(full[i], sums(i, 0), diagonal[i]);
  }
};

struct IsolatedRows {
  static constexpr const char* kName = "isolated_rows";
  static constexpr int kThreads = kBlockThreads;
  tensor::MatrixView<const float> sums;
  const float* diagonal;
  Index n;
  std::uint64_t* found;

  OPX_DEVICE void operator()() const {
    std::uint64_t mine = 0;
    for (Index i = dg::global_thread(); i < n; i += dg::all_threads())
      mine += off_diagonal(sums(i, 0), diagonal[i]) > 0 ? 0 : 1;
    if (mine > 0) dg::atomic_add(found, mine);
  }
};

/// A warp a row.
struct MixRows {
  static constexpr const char* kName = "mix_rows";
  static constexpr int kThreads = kBlockThreads;
  const float *c, *a;
  tensor::MatrixView<const float> x;
  tensor::MatrixView<float> y;
  bool kept;

  OPX_DEVICE void operator()() const {
    const Index warps = dg::all_threads() / dg::kWarp;
    for (Index i = dg::global_thread() / dg::kWarp; i < x.rows; i += warps) {
      const float own = kept ? 1.0F : c[i], rest = (1 - c[i]) * a[i];
      float* to = y.row(i);
      const float* from = x.row(i);
      for (Index j = dg::lane(); j < x.cols; j += dg::kWarp)
        to[j] = rest == 0 ? own * to[j] : own * to[j] + rest * from[j];  // padding holds anything
    }
  }
};

}  // namespace

void row_factors(device::Context& context, std::span<const float> full, std::span<const float> diagonal,
                 tensor::MatrixView<const float> sums, std::span<float> c) {
  const Index n = std::ssize(c);
  launch(context, n, RowFactors{full.data(), diagonal.data(), sums, c.data(), n});
}

void add_isolated_rows(device::Context& context, tensor::MatrixView<const float> sums,
                       std::span<const float> diagonal, Index* count) {
  launch(context, std::ssize(diagonal),
         IsolatedRows{sums, diagonal.data(), std::ssize(diagonal), reinterpret_cast<std::uint64_t*>(count)});
}

void mix_rows(device::Context& context, std::span<const float> c, std::span<const float> a,
              tensor::MatrixView<const float> x, tensor::MatrixView<float> y, bool kept) {
  launch(context, x.cols > 0 ? x.rows * dg::kWarp : 0, MixRows{c.data(), a.data(), x, y, kept});
}

}  // namespace opx::parallel::detail::gpu
