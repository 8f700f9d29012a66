// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/csr.hpp"

#include <algorithm>
#include <limits>

#include "base/error.hpp"
#include "device/transfer.hpp"
#include "spmm/kernels.hpp"

namespace opx::spmm {
namespace {

template <class T>
void move_to_device(device::Context& context, const device::Buffer<T>& from, device::Buffer<T>& to) {
  to.resize(context, from.size());
  device::copy_to_device(context, from.span(), to.span());
}

void transpose_by_host(device::Context& context, const CsrView& a, TransposeScratch& scratch, Csr& to) {
  const std::vector<Index> row_offsets = device::host_copy(context, a.row_offsets);
  const std::vector<std::int32_t> col_ids = device::host_copy(context, a.col_ids);
  const std::vector<float> values = device::host_copy(context, a.values);
  Csr made;
  cpu::transpose(context.host(), {a.rows, a.cols, row_offsets, col_ids, values}, scratch, made);
  to.rows = made.rows;
  to.cols = made.cols;
  to.longest_row = longest_row(made.row_offsets.span());
  move_to_device(context, made.row_offsets, to.row_offsets);
  move_to_device(context, made.col_ids, to.col_ids);
  move_to_device(context, made.values, to.values);
}

}  // namespace

Csr transpose(device::Context& context, const CsrView& a) {
  Csr result;
  TransposeScratch scratch;
  transpose_into(context, a, scratch, result);
  return result;
}

void transpose_into(device::Context& context, const CsrView& a, TransposeScratch& scratch, Csr& to) {
  OPX_REQUIRE(a.rows <= std::numeric_limits<LocalIndex>::max(), InvalidArgument,
              "{} rows become column ids of the transpose, which have 31 bits", a.rows);
  to.longest_row = -1;
  to.identity = 0;
  context.on_gpu() ? transpose_by_host(context, a, scratch, to) : cpu::transpose(context, a, scratch, to);
}

Index longest_row(std::span<const Index> row_offsets) noexcept {
  Index most = 0;
  for (std::size_t i = 1; i < row_offsets.size(); ++i)
    most = std::max(most, row_offsets[i] - row_offsets[i - 1]);
  return most;
}

void validate(const CsrView& a) {
  OPX_REQUIRE(a.rows >= 0 && a.cols >= 0, InvalidArgument, "a sparse matrix of {} x {}", a.rows, a.cols);
  OPX_REQUIRE(a.row_offsets.size() == static_cast<std::size_t>(a.rows) + 1, InvalidArgument,
              "{} rows need {} offsets, there are {}", a.rows, a.rows + 1, a.row_offsets.size());
  OPX_REQUIRE(a.row_offsets[0] == 0, InvalidArgument, "row offsets start at {}", a.row_offsets[0]);
  for (Index i = 0; i < a.rows; ++i) {
    const Index begin = a.row_offsets[static_cast<std::size_t>(i)],
                end = a.row_offsets[static_cast<std::size_t>(i + 1)];
    OPX_REQUIRE(begin <= end, InvalidArgument, "row offsets fall from {} to {} at row {}", begin, end, i);
  }
  OPX_REQUIRE(a.row_offsets.back() == a.nnz(), InvalidArgument,
              "row offsets end at {} but there are {} column ids", a.row_offsets.back(), a.nnz());
  OPX_REQUIRE(a.values.empty() || a.values.size() == a.col_ids.size(), InvalidArgument,
              "{} values for {} entries", a.values.size(), a.col_ids.size());
  for (std::size_t e = 0; e < a.col_ids.size(); ++e)
    OPX_REQUIRE(a.col_ids[e] >= 0 && a.col_ids[e] < a.cols, InvalidArgument,
                "entry {} has column {} of a matrix with {} columns", e, a.col_ids[e], a.cols);
}

}  // namespace opx::spmm
