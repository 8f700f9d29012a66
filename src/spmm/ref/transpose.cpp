// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "spmm/kernels.hpp"

namespace opx::spmm::ref {

Csr transpose(device::Context& context, const CsrView& a) {
  std::vector<std::vector<std::pair<LocalIndex, float>>> rows(static_cast<std::size_t>(a.cols));
  for (Index i = 0; i < a.rows; ++i) {
    const auto row = static_cast<std::size_t>(i);
    for (Index e = a.row_offsets[row]; e < a.row_offsets[row + 1]; ++e) {
      const auto entry = static_cast<std::size_t>(e);
      rows[static_cast<std::size_t>(a.col_ids[entry])].emplace_back(
          static_cast<LocalIndex>(i), a.values.empty() ? 1.0F : a.values[entry]);
    }
  }
  Csr t{a.cols, a.rows, {context, a.cols + 1}, {context, a.nnz()}, {context, a.values.empty() ? 0 : a.nnz()}};
  Index next = 0;
  for (Index i = 0; i < a.cols; ++i) {
    t.row_offsets[i] = next;
    for (const auto& [col, value] : rows[static_cast<std::size_t>(i)]) {
      t.col_ids[next] = col;
      if (!a.values.empty()) t.values[next] = value;
      ++next;
    }
  }
  t.row_offsets[a.cols] = next;
  return t;
}

}  // namespace opx::spmm::ref
