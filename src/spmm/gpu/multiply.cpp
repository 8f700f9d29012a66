// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "base/timer.hpp"
#include "device/gpu/device.hpp"
#include "spmm/gpu/plans.hpp"
#include "spmm/gpu/tuner.hpp"
#include "spmm/gpu/variants.hpp"
#include "spmm/kernels.hpp"

namespace opx::spmm::gpu {
namespace {

constexpr Index kMostCols = Index{1} << 24;

template <class T>
void run(Variant variant, device::Context& context, const CsrView& a, tensor::MatrixView<const T> x,
         tensor::MatrixView<float> y, const MultiplyOptions& options) {
  if (variant == Variant::kRows) return multiply_rows(context, a, x, y, options);
  if (variant == Variant::kChunks) return multiply_chunks(context, a, x, y, options, chunk_of(a.nnz()));
  if constexpr (std::is_same_v<T, float>)
    multiply_cusparse(context, a, x, y, options, cusparse_algorithm(variant));
  else
    throw base::InternalError("cuSPARSE was chosen for bf16");
}

// Of one product after another: the first is not counted. Y is memory of its own, for it may be accumulated.
// What cuSPARSE kept goes: of all its ways one will be taken at most, with the strides of the real Y.
template <class T>
double seconds_of(Variant variant, device::Context& context, const CsrView& a, tensor::MatrixView<const T> x,
                  const MultiplyOptions& options) {
  constexpr int kRepeats = 3;
  MultiplyOptions plain = options;
  plain.accumulate = false;
  tensor::Matrix<float> y(context, a.rows, x.cols);
  run(variant, context, a, x, y.view(), plain);
  context.gpu().synchronise();
  const double start = base::now_seconds();
  for (int k = 0; k < kRepeats; ++k) run(variant, context, a, x, y.view(), plain);
  context.gpu().synchronise();
  const double seconds = (base::now_seconds() - start) / kRepeats;
  if constexpr (std::is_same_v<T, float>)
    Plans::of(context.gpu()).forget(a, {nullptr, x, y.view(), false, cusparse_algorithm(variant)});
  return seconds;
}

template <class T>
void multiply_any(device::Context& context, const CsrView& a, tensor::MatrixView<const T> x,
                  tensor::MatrixView<float> y, const MultiplyOptions& options) {
  OPX_REQUIRE(x.cols < kMostCols, InvalidArgument, "{} columns", x.cols);
  if (y.size() == 0) return;
  constexpr bool kBf16 = sizeof(T) == sizeof(bfloat16);
  const Tuner::Problem problem{a, x.cols, kBf16, can_cusparse(a, x.cols, kBf16), !context.gpu().capturing()};
  const Variant chosen = Tuner::of(context.gpu()).choose(problem, [&](Variant variant) {
    return seconds_of(variant, context, a, x, options);
  });
  run(chosen, context, a, x, y, options);
}

}  // namespace

void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options) {
  multiply_any(context, a, x, y, options);
}

void multiply(device::Context& context, const CsrView& a, tensor::MatrixView<const bfloat16> x,
              tensor::MatrixView<float> y, const MultiplyOptions& options) {
  multiply_any(context, a, x, y, options);
}

}  // namespace opx::spmm::gpu
