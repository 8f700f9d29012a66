// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// cuSPARSE beside our own kernels. Analysis that it could keep between calls is not kept: it would have to
// know that a matrix in the same memory is still the same one.
#include <limits>
#include <memory>

#include <cusparse.h>

#include "base/error.hpp"
#include "device/gpu/device.hpp"
#include "spmm/gpu/variants.hpp"

namespace opx::spmm::gpu {
namespace {

void check(cusparseStatus_t status, const char* call) {
  OPX_REQUIRE(status == CUSPARSE_STATUS_SUCCESS, DeviceError, "{}: {} ({})", call,
              cusparseGetErrorString(status), cusparseGetErrorName(status));
}

cusparseHandle_t handle_of(device::gpu::Device& device) {
  const auto kept = device.library("cusparse", [](device::gpu::Device& owner) -> std::shared_ptr<void> {
    cusparseHandle_t handle = nullptr;
    check(cusparseCreate(&handle), "cusparseCreate");
    std::shared_ptr<void> made(handle, [](void* h) { cusparseDestroy(static_cast<cusparseHandle_t>(h)); });
    check(cusparseSetStream(handle, static_cast<cudaStream_t>(owner.compute().native)), "cusparseSetStream");
    return made;
  });
  return static_cast<cusparseHandle_t>(kept.get());
}

struct EndMatrix {
  void operator()(const cusparseSpMatDescr* m) const noexcept { cusparseDestroySpMat(m); }
  void operator()(const cusparseDnMatDescr* m) const noexcept { cusparseDestroyDnMat(m); }
};
using Sparse = std::unique_ptr<const cusparseSpMatDescr, EndMatrix>;
using ConstDense = std::unique_ptr<const cusparseDnMatDescr, EndMatrix>;
using Dense = std::unique_ptr<cusparseDnMatDescr, EndMatrix>;

Sparse sparse(const CsrView& a, const Weighed& weighed) {
  cusparseConstSpMatDescr_t made = nullptr;
  check(cusparseCreateConstCsr(&made, a.rows, a.cols, a.nnz(), weighed.row_offsets.data(), a.col_ids.data(),
                               weighed.weights.data(), CUSPARSE_INDEX_32I, CUSPARSE_INDEX_32I,
                               CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F),
        "cusparseCreateConstCsr");
  return Sparse(made);
}

ConstDense dense(tensor::MatrixView<const float> x) {
  cusparseConstDnMatDescr_t made = nullptr;
  check(cusparseCreateConstDnMat(&made, x.rows, x.cols, x.ld, x.data, CUDA_R_32F, CUSPARSE_ORDER_ROW),
        "cusparseCreateConstDnMat");
  return ConstDense(made);
}

Dense dense(tensor::MatrixView<float> y) {
  cusparseDnMatDescr_t made = nullptr;
  check(cusparseCreateDnMat(&made, y.rows, y.cols, y.ld, y.data, CUDA_R_32F, CUSPARSE_ORDER_ROW),
        "cusparseCreateDnMat");
  return Dense(made);
}

cusparseSpMMAlg_t algorithm_of(int number) {
  return number == 1 ? CUSPARSE_SPMM_CSR_ALG1 : number == 2 ? CUSPARSE_SPMM_CSR_ALG2 : CUSPARSE_SPMM_CSR_ALG3;
}

}  // namespace

bool can_cusparse(const CsrView& a, Index cols, bool bf16) noexcept {
  return !bf16 && cols > 0 && a.rows > 0 && a.nnz() > 0 && a.nnz() < std::numeric_limits<std::int32_t>::max();
}

void multiply_cusparse(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
                       tensor::MatrixView<float> y, const MultiplyOptions& options, int algorithm) {
  constexpr auto kPlain = CUSPARSE_OPERATION_NON_TRANSPOSE;
  const cusparseHandle_t handle = handle_of(context.gpu());
  const cusparseSpMMAlg_t chosen = algorithm_of(algorithm);
  const Weighed weighed = weigh(context, a, options);
  const Sparse matrix = sparse(a, weighed);
  const ConstDense from = dense(x);
  const Dense to = dense(y);
  const float one = 1, before = options.accumulate ? 1.0F : 0.0F;
  std::size_t bytes = 0;
  check(cusparseSpMM_bufferSize(handle, kPlain, kPlain, &one, matrix.get(), from.get(), &before, to.get(),
                                CUDA_R_32F, chosen, &bytes),
        "cusparseSpMM_bufferSize");
  device::Buffer<std::byte> work(context, static_cast<Index>(bytes));
  check(cusparseSpMM(handle, kPlain, kPlain, &one, matrix.get(), from.get(), &before, to.get(), CUDA_R_32F,
                     chosen, work.data()),
        "cusparseSpMM");
}

}  // namespace opx::spmm::gpu
