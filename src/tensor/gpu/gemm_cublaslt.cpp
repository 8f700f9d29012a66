// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Matrix products by cuBLASLt, whose matrices are column-major: C^T = op(B)^T op(A)^T, so B goes first and
// every row-major matrix is its own transpose. What the heuristics choose for a shape is kept.
#include <algorithm>
#include <bit>
#include <compare>
#include <map>
#include <memory>

#include <cublasLt.h>

#include "device/gpu/cuda/check.hpp"
#include "device/gpu/device.hpp"
#include "tensor/gpu/gemm_pieces.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor::gpu {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
constexpr std::uint32_t kMostAlignment = 256;
/// cuBLASLt 13.6 is reported to fail in fp32 with one algorithm where an operand has over 2^31 elements.
constexpr Index kMostElements = Index{1} << 31;

void check(cublasStatus_t status, const char* call) {
  OPX_REQUIRE(status == CUBLAS_STATUS_SUCCESS, DeviceError, "{}: {}", call, cublasLtGetStatusString(status));
}

/// All that an algorithm was chosen for.
struct Shape {
  bool transpose_a, transpose_b, bf16, tf32;
  Index m, n, k, lda, ldb, ldc;
  std::uint32_t align_a, align_b, align_c;
  auto operator<=>(const Shape&) const = default;
};

struct Plan {
  bool found = false;
  cublasLtMatmulDescOpaque_t product{};
  cublasLtMatrixLayoutOpaque_t a{}, b{}, c{};
  cublasLtMatmulAlgo_t algorithm{};
};

void set_alignment(cublasLtMatmulPreferenceOpaque_t& preference, cublasLtMatmulPreferenceAttributes_t which,
                   std::uint32_t bytes) {
  check(cublasLtMatmulPreferenceSetAttribute(&preference, which, &bytes, sizeof bytes),
        "cublasLtMatmulPreferenceSetAttribute");
}

void set_transpose(cublasLtMatmulDescOpaque_t& product, cublasLtMatmulDescAttributes_t which,
                   bool transpose) {
  const cublasOperation_t operation = transpose ? CUBLAS_OP_T : CUBLAS_OP_N;
  check(cublasLtMatmulDescSetAttribute(&product, which, &operation, sizeof operation),
        "cublasLtMatmulDescSetAttribute");
}

/// Row-major rows x cols.
cublasLtMatrixLayoutOpaque_t layout(cudaDataType type, Index rows, Index cols, Index ld) {
  cublasLtMatrixLayoutOpaque_t out{};
  check(cublasLtMatrixLayoutInit(&out, type, static_cast<std::uint64_t>(cols),
                                 static_cast<std::uint64_t>(rows), ld),
        "cublasLtMatrixLayoutInit");
  return out;
}

/// The library as one Device uses it: on its compute stream alone, which makes one workspace enough.
class Library {
 public:
  explicit Library(device::gpu::Device& device) : device_(device) {
    device::gpu::cuda::use_device(device.ordinal());
    check(cublasLtCreate(&handle_), "cublasLtCreate");
    workspace_ = device.allocate(kWorkspaceBytes, device.compute());
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() {
    device_.deallocate(workspace_, kWorkspaceBytes, device_.compute());
    static_cast<void>(cublasLtDestroy(handle_));
  }

  [[nodiscard]] static Library& of(device::gpu::Device& device) {
    const auto make = [](device::gpu::Device& d) -> std::shared_ptr<void> {
      return std::make_shared<Library>(d);
    };
    return *static_cast<Library*>(device.library("cublasLt", make).get());
  }

  /// Its `found` is false where the library has no algorithm.
  [[nodiscard]] Plan& plan(const Shape& shape) {
    auto at = plans_.find(shape);
    if (at == plans_.end()) at = plans_.emplace(shape, choose(shape)).first;
    return at->second;
  }

  void run(Plan& plan, float alpha, const void* a, const void* b, float beta, float* c) {
    device::gpu::cuda::use_device(device_.ordinal());
    check(cublasLtMatmul(handle_, &plan.product, &alpha, b, &plan.b, a, &plan.a, &beta, c, &plan.c, c,
                         &plan.c, &plan.algorithm, workspace_, kWorkspaceBytes,
                         static_cast<cudaStream_t>(device_.compute().native)),
          "cublasLtMatmul");
    device_.count_launch("cublasLtMatmul");
  }

 private:
  [[nodiscard]] Plan choose(const Shape& s);

  device::gpu::Device& device_;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<Shape, Plan> plans_;
};

Plan Library::choose(const Shape& s) {
  const cudaDataType type = s.bf16 ? CUDA_R_16BF : CUDA_R_32F;
  Plan plan;
  check(cublasLtMatmulDescInit(&plan.product, s.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
                               CUDA_R_32F),
        "cublasLtMatmulDescInit");
  set_transpose(plan.product, CUBLASLT_MATMUL_DESC_TRANSA, s.transpose_b);
  set_transpose(plan.product, CUBLASLT_MATMUL_DESC_TRANSB, s.transpose_a);
  plan.a = s.transpose_a ? layout(type, s.k, s.m, s.lda) : layout(type, s.m, s.k, s.lda);
  plan.b = s.transpose_b ? layout(type, s.n, s.k, s.ldb) : layout(type, s.k, s.n, s.ldb);
  plan.c = layout(CUDA_R_32F, s.m, s.n, s.ldc);
  cublasLtMatmulPreferenceOpaque_t preference{};
  check(cublasLtMatmulPreferenceInit(&preference), "cublasLtMatmulPreferenceInit");
  check(cublasLtMatmulPreferenceSetAttribute(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &kWorkspaceBytes, sizeof kWorkspaceBytes),
        "cublasLtMatmulPreferenceSetAttribute");
  set_alignment(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, s.align_b);
  set_alignment(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, s.align_a);
  set_alignment(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, s.align_c);
  set_alignment(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, s.align_c);
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle_, &plan.product, &plan.b, &plan.a, &plan.c, &plan.c, &preference, 1, &best, &found);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "cublasLtMatmulAlgoGetHeuristic");
  plan.found = status == CUBLAS_STATUS_SUCCESS && found > 0;
  plan.algorithm = best.algo;
  return plan;
}

std::uint32_t alignment(const void* pointer) {
  const auto address = std::bit_cast<std::uintptr_t>(pointer);
  return static_cast<std::uint32_t>(std::min<std::uintptr_t>(address & (~address + 1), kMostAlignment));
}

template <class T>
[[nodiscard]] bool multiply_piece(device::Context& context, Transpose ta, Transpose tb, float alpha,
                                  MatrixView<const T> a, MatrixView<const T> b, float beta,
                                  MatrixView<float> c) {
  constexpr bool kBf16 = sizeof(T) == 2;
  const bool at = ta == Transpose::kYes, bt = tb == Transpose::kYes;
  const Shape shape{.transpose_a = at,
                    .transpose_b = bt,
                    .bf16 = kBf16,
                    .tf32 = !kBf16 && context.tf32(),
                    .m = c.rows,
                    .n = c.cols,
                    .k = at ? a.rows : a.cols,
                    .lda = a.ld,
                    .ldb = b.ld,
                    .ldc = c.ld,
                    .align_a = alignment(a.data),
                    .align_b = alignment(b.data),
                    .align_c = alignment(c.data)};
  if (shape.k == 0) {
    beta == 0.0F ? gpu::fill(context, 0.0F, c) : gpu::add_scaled(context, beta - 1, c, c);
    return true;
  }
  Library& library = Library::of(context.gpu());
  Plan& plan = library.plan(shape);
  if (plan.found) library.run(plan, alpha, a.data, b.data, beta, c.data);
  return plan.found;
}

/// False, with nothing done, where the library has no algorithm.
template <class T>
[[nodiscard]] bool multiply(device::Context& context, Transpose ta, Transpose tb, float alpha,
                            MatrixView<const T> a, MatrixView<const T> b, float beta, MatrixView<float> c) {
  bool done = true;
  const auto piece = [&](const Piece& p) {
    done = done && multiply_piece<T>(context, ta, tb, alpha, p.a(a), p.b(b), p.beta(beta), p.c(c));
  };
  for_each_piece({.m = c.rows,
                  .k = ta == Transpose::kYes ? a.rows : a.cols,
                  .n = c.cols,
                  .lda = a.ld,
                  .ldb = b.ld,
                  .ldc = c.ld,
                  .transpose_a = ta == Transpose::kYes,
                  .transpose_b = tb == Transpose::kYes},
                 kMostElements, piece);
  return done;
}

Matrix<float> widened(device::Context& context, MatrixView<const bfloat16> x) {
  Matrix<float> out(context, x.rows, x.cols);
  gpu::convert(context, x, out.view());
  return out;
}

}  // namespace

void gemm(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const float> a,
          MatrixView<const float> b, float beta, MatrixView<float> c) {
  OPX_REQUIRE(multiply(context, ta, tb, alpha, a, b, beta, c), DeviceError,
              "cuBLASLt has no algorithm for C of {} x {} and factors of {} x {} and {} x {}", c.rows, c.cols,
              a.rows, a.cols, b.rows, b.cols);
}

// Where strides or addresses are too odd for the library's bf16 kernels, fp32 copies are multiplied.
void gemm(device::Context& context, Transpose ta, Transpose tb, float alpha, MatrixView<const bfloat16> a,
          MatrixView<const bfloat16> b, float beta, MatrixView<float> c) {
  if (multiply(context, ta, tb, alpha, a, b, beta, c)) return;
  const Matrix<float> wide_a = widened(context, a), wide_b = widened(context, b);
  gpu::gemm(context, ta, tb, alpha, wide_a.view(), wide_b.view(), beta, c);
}

}  // namespace opx::tensor::gpu
