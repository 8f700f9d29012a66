// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A vendor's library for sparse products, of which a build has one: cuSPARSE (cusparse.cpp), or on the host
// runtime plain loops that refuse what cuSPARSE leaves undefined (library_host.cu). Private to plans.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "device/gpu/device.hpp"
#include "spmm/csr.hpp"
#include "tensor/matrix.hpp"

namespace opx::spmm::gpu {

/// Y (+)= A X with `weights` for the entries of A, all in memory of the GPU.
struct LibraryCall {
  const float* weights;
  tensor::MatrixView<const float> x;
  tensor::MatrixView<float> y;
  bool accumulate;
  int algorithm;  ///< 1, 2, 3: CUSPARSE_SPMM_CSR_ALG1, ...
};

/// A pattern as the library knows it. All work goes to the compute stream; nothing waits for it.
class LibraryMatrix {
 public:
  /// The arrays of `a` and `row_offsets` (a.row_offsets in 32 bits) must outlive it.
  LibraryMatrix(device::gpu::Device& device, const CsrView& a, const std::int32_t* row_offsets);
  LibraryMatrix(LibraryMatrix&&) noexcept;
  ~LibraryMatrix();

  /// Of work memory that analyse() and multiply() take for such a call.
  [[nodiscard]] std::size_t work_bytes(const LibraryCall& call);
  /// Lays into `work` what later calls of the same columns, strides and algorithm with the same `work` read.
  /// Until then the pattern and `work` must not change; weights and what X and Y hold may.
  void analyse(const LibraryCall& call, void* work);
  void multiply(const LibraryCall& call, void* work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace opx::spmm::gpu
