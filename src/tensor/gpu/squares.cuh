// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of squares by blocks of threads, in double: for the gradient norm, on the host or on the GPU.
#pragma once

#include <span>

#include "tensor/gpu/kernel.cuh"

namespace opx::tensor::gpu {

struct SumOfSquares {
  static constexpr const char* kName = "sum_of_squares";
  static constexpr int kThreads = kBlockThreads;
  const float* values;
  Index n, parts;
  double* sums;

  OPX_DEVICE void operator()() const {
    const Range range = even_range(n, parts, block());
    double sum = 0;
    for (Index i = range.begin + thread(); i < range.end; i += kBlockThreads)
      sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    sum = block_sum<SumOfSquares>(sum);
    if (thread() == 0) sums[block()] = sum;
  }
};

/// One sum for every block, in GPU memory; their total in rising order is the same every time.
inline device::Buffer<double> sums_of_squares(device::Context& context, std::span<const float> values) {
  constexpr Index kMostParts = 1024;
  const Index n = std::ssize(values), parts = n > 0 ? row_parts(n, 8 * kBlockThreads, kMostParts) : 0;
  device::Buffer<double> sums(context, parts);
  launch_blocks(context, parts, SumOfSquares{values.data(), n, parts, sums.data()});
  return sums;
}

}  // namespace opx::tensor::gpu
