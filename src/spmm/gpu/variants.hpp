// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The ways to multiply on a GPU; tuner.hpp chooses. Each but cuSPARSE's first two is deterministic: the same
// operands give the same bits in every run; two ways may differ by rounding. Arguments as spmm::multiply,
// checked by it. Private to the backend and its tests.
#pragma once

#include "spmm/multiply.hpp"

namespace opx::spmm::gpu {

/// A group of 1 to 32 lanes, by the width, for every row (rows.cu). For rows of similar lengths: a hub keeps
/// one group busy long after the others have ended.
template <class T>
void multiply_rows(device::Context& context, const CsrView& a, tensor::MatrixView<const T> x,
                   tensor::MatrixView<float> y, const MultiplyOptions& options);

/// Entries to a chunk of multiply_chunks, a power of two: about 2^15 chunks, at least 128 entries each.
[[nodiscard]] int chunk_of(Index nnz) noexcept;

/// Equal runs of `chunk` entries (a power of two, >= 32) for every group of lanes, whatever the rows
/// (chunks.cu; the idea of merge-based SpMV, Merrill and Garland 2016, without the merge: empty rows are
/// skipped by bisection). Sums of rows that chunk borders cut are laid into 2 nnz / chunk rows of work
/// memory and added up in the order of the entries by a second kernel: no atomics.
template <class T>
void multiply_chunks(device::Context& context, const CsrView& a, tensor::MatrixView<const T> x,
                     tensor::MatrixView<float> y, const MultiplyOptions& options, int chunk);

/// Whether this build has cuSPARSE and it takes such operands: fp32, fewer than 2^31 entries, at least one,
/// and their number known to the host.
[[nodiscard]] bool can_cusparse(const CsrView& a, Index cols, bool bf16) noexcept;
/// cusparseSpMM with CUSPARSE_SPMM_CSR_ALG1, 2 or 3, on 32-bit offsets and weights made by weigh(). Where `a`
/// has an identity, its offsets and the library's analysis are kept with the Device (plans.hpp).
void multiply_cusparse(device::Context& context, const CsrView& a, tensor::MatrixView<const float> x,
                       tensor::MatrixView<float> y, const MultiplyOptions& options, int algorithm);

/// Row offsets as a library takes them: puts a.rows + 1 of them on the compute stream (weigh.cu).
void narrow_offsets(device::gpu::Device& device, const CsrView& a, std::int32_t* to);
/// The entries of diag(s) A diag(t). `weights` is a.values where no scale changes them (weigh.cu).
struct Weighed {
  device::Buffer<float> own;
  std::span<const float> weights;
};
[[nodiscard]] Weighed weigh(device::Context& context, const CsrView& a, const MultiplyOptions& options);

}  // namespace opx::spmm::gpu
