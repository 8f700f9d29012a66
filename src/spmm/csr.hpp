// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Compressed sparse rows: the form of every tile of the adjacency on a rank.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "device/buffer.hpp"

namespace opx::spmm {

/// Non-owning view. Row i's entries are [row_offsets[i], row_offsets[i+1]) of col_ids (and of values unless
/// empty: the pattern-only form, all values one). Columns rise within a row.
struct CsrView {
  Index rows = 0, cols = 0;
  std::span<const Index> row_offsets;     ///< rows + 1
  std::span<const std::int32_t> col_ids;  ///< nnz
  std::span<const float> values;          ///< nnz or empty
  Index longest_row = -1;                 ///< its entries, or -1 where nobody has counted
  std::uint64_t identity = 0;             ///< of the Csr it shows
  /// On a GPU: nnz() is the most that there can be; row_offsets[rows], in its memory, is their number. So
  /// work that is captured in a graph serves matrices of other sizes.
  bool at_most = false;
  [[nodiscard]] Index nnz() const noexcept { return static_cast<Index>(col_ids.size()); }
};

/// Owns the arrays.
struct Csr {
  Index rows = 0, cols = 0;
  device::Buffer<Index> row_offsets;
  device::Buffer<std::int32_t> col_ids;
  device::Buffer<float> values;
  Index longest_row = -1;  ///< its entries where somebody has counted: what runs on a GPU is chosen by it
  /// 0, or Context::new_identity() of the Context whose memory it is, set by who builds a matrix whose
  /// pattern stays as and where it is: what multiply() on a GPU learns of the pattern is then kept for later
  /// calls. Who rewrites the pattern gives it 0 or another.
  std::uint64_t identity = 0;
  bool at_most = false;  ///< as CsrView has it
  [[nodiscard]] Index nnz() const noexcept { return col_ids.size(); }
  [[nodiscard]] CsrView view() const noexcept {
    return {rows, cols, row_offsets.span(), col_ids.span(), values.span(), longest_row, identity, at_most};
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return row_offsets.bytes() + col_ids.bytes() + values.bytes();
  }
};

/// The transpose, columns rising within a row; parallel and deterministic, O(nnz + rows + cols). On a GPU it
/// is made by the host, with synchronisations: for load time.
[[nodiscard]] Csr transpose(device::Context& context, const CsrView& a);

/// Entries of the longest row of a matrix in host memory.
[[nodiscard]] Index longest_row(std::span<const Index> row_offsets) noexcept;

/// Memory that transpose_into keeps between calls.
struct TransposeScratch {
  device::Buffer<Index> counts;
  std::vector<Range> parts;
  std::vector<Index> starts;
};
/// The same into `to`, whose memory is reused, as is that of `scratch`: no allocation once both have their
/// size. `to` must not be `a`'s owner; it loses its identity.
void transpose_into(device::Context& context, const CsrView& a, TransposeScratch& scratch, Csr& to);

/// Of a matrix in host memory: throws InvalidArgument if the offsets do not rise from 0 to nnz() or a column
/// is outside [0, cols).
void validate(const CsrView& a);

}  // namespace opx::spmm
