// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrix products of the host runtime, in the place of the vendor's library: plain loops over rows, put on
// the compute stream. fp32 sums.
#include <vector>

#include "device/gpu/api.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor::gpu {
namespace {

template <class T>
void multiply(Transpose ta, Transpose tb, float alpha, MatrixView<const T> a, MatrixView<const T> b,
              float beta, MatrixView<float> c) {
  const bool at = ta == Transpose::kYes, bt = tb == Transpose::kYes;
  const Index depth = at ? a.rows : a.cols;
  std::vector<float> sums(static_cast<std::size_t>(c.cols));
  for (Index i = 0; i < c.rows; ++i) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    for (Index l = 0; l < depth; ++l) {
      const auto factor = static_cast<float>(at ? a(l, i) : a(i, l));
      const T* from = bt ? b.data + l : b.row(l);
      const Index step = bt ? b.ld : 1;
      for (Index j = 0; j < c.cols; ++j)
        sums[static_cast<std::size_t>(j)] += factor * static_cast<float>(from[j * step]);
    }
    for (Index j = 0; j < c.cols; ++j) {
      const float product = alpha * sums[static_cast<std::size_t>(j)];
      c(i, j) = beta == 0.0F ? product : product + beta * c(i, j);
    }
  }
}

template <class T>
void enqueue(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const T> a,
             MatrixView<const T> b, float beta, MatrixView<float> c) {
  device::gpu::Device& device = context.gpu();
  device::gpu::host::enqueue(device, device.compute(), "gemm",
                             [=] { multiply(ta, tb, alpha, a, b, beta, c); });
}

}  // namespace

void gemm(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const float> a,
          MatrixView<const float> b, float beta, MatrixView<float> c) {
  enqueue(context, ta, tb, alpha, a, b, beta, c);
}

void gemm(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const bfloat16> a,
          MatrixView<const bfloat16> b, float beta, MatrixView<float> c) {
  enqueue(context, ta, tb, alpha, a, b, beta, c);
}

}  // namespace opx::tensor::gpu
