// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The library is cuSPARSE. A buffer that cusparseSpMM_preprocess filled belongs to the sparse descriptor that
// it was given: cusparseSpMM reads it where both are the same again.
#include <memory>
#include <utility>

#include <cusparse.h>

#include "base/error.hpp"
#include "spmm/gpu/library.hpp"

namespace opx::spmm::gpu {
namespace {

void check(cusparseStatus_t status, const char* call) {
  OPX_REQUIRE(status == CUSPARSE_STATUS_SUCCESS, DeviceError, "{}: {} ({})", call,
              cusparseGetErrorString(status), cusparseGetErrorName(status));
}

std::shared_ptr<void> handle_of(device::gpu::Device& device) {
  return device.library("cusparse", [](device::gpu::Device& owner) -> std::shared_ptr<void> {
    cusparseHandle_t handle = nullptr;
    check(cusparseCreate(&handle), "cusparseCreate");
    std::shared_ptr<void> made(handle, [](void* h) { cusparseDestroy(static_cast<cusparseHandle_t>(h)); });
    check(cusparseSetStream(handle, static_cast<cudaStream_t>(owner.compute().native)), "cusparseSetStream");
    return made;
  });
}

struct EndMatrix {
  void operator()(const cusparseSpMatDescr* m) const noexcept { cusparseDestroySpMat(m); }
  void operator()(const cusparseDnMatDescr* m) const noexcept { cusparseDestroyDnMat(m); }
};
using Sparse = std::unique_ptr<cusparseSpMatDescr, EndMatrix>;
using ConstDense = std::unique_ptr<const cusparseDnMatDescr, EndMatrix>;
using Dense = std::unique_ptr<cusparseDnMatDescr, EndMatrix>;

// Calls that let values be replaced take no pointers to const; nothing writes through them.
template <class T>
void* mutable_address(const T* pointer) noexcept {
  return const_cast<T*>(pointer);
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

struct LibraryMatrix::Impl {
  device::gpu::Device& device;
  std::shared_ptr<void> handle;
  CsrView a;
  const std::int32_t* row_offsets;
  Sparse matrix;

  // cuSPARSE takes no descriptor without values, so it is made with the first call's.
  void set_weights(const float* weights) {
    if (matrix)
      return check(cusparseSpMatSetValues(matrix.get(), mutable_address(weights)), "cusparseSpMatSetValues");
    cusparseSpMatDescr_t made = nullptr;
    check(cusparseCreateCsr(&made, a.rows, a.cols, a.nnz(), mutable_address(row_offsets),
                            mutable_address(a.col_ids.data()), mutable_address(weights), CUSPARSE_INDEX_32I,
                            CUSPARSE_INDEX_32I, CUSPARSE_INDEX_BASE_ZERO, CUDA_R_32F),
          "cusparseCreateCsr");
    matrix.reset(made);
  }

  // `run` is one of the three calls, which take the same.
  template <class Run, class Last>
  void run(Run&& call_library, const char* name, const LibraryCall& call, Last last) {
    device.make_current();
    set_weights(call.weights);
    const ConstDense from = dense(call.x);
    const Dense to = dense(call.y);
    const float one = 1, before = call.accumulate ? 1.0F : 0.0F;
    check(call_library(static_cast<cusparseHandle_t>(handle.get()), CUSPARSE_OPERATION_NON_TRANSPOSE,
                       CUSPARSE_OPERATION_NON_TRANSPOSE, &one, matrix.get(), from.get(), &before, to.get(),
                       CUDA_R_32F, algorithm_of(call.algorithm), last),
          name);
  }
};

LibraryMatrix::LibraryMatrix(device::gpu::Device& device, const CsrView& a, const std::int32_t* row_offsets)
    : impl_(new Impl{device, handle_of(device), a, row_offsets, nullptr}) {}
LibraryMatrix::LibraryMatrix(LibraryMatrix&&) noexcept = default;
LibraryMatrix::~LibraryMatrix() = default;

std::size_t LibraryMatrix::work_bytes(const LibraryCall& call) {
  std::size_t bytes = 0;
  impl_->run(cusparseSpMM_bufferSize, "cusparseSpMM_bufferSize", call, &bytes);
  return bytes;
}

void LibraryMatrix::analyse(const LibraryCall& call, void* work) {
  impl_->run(cusparseSpMM_preprocess, "cusparseSpMM_preprocess", call, work);
}

void LibraryMatrix::multiply(const LibraryCall& call, void* work) {
  impl_->run(cusparseSpMM, "cusparseSpMM", call, work);
  impl_->device.count_launch("cusparseSpMM");
}

}  // namespace opx::spmm::gpu
