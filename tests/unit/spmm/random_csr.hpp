// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Sparse matrices and features drawn for the tests of spmm.
#pragma once

#include <algorithm>
#include <set>
#include <vector>

#include "base/random.hpp"
#include "spmm/csr.hpp"

namespace opx::spmm::testing {

/// One uniform draw in [-1, 1).
inline float draw(std::uint64_t seed, Index i, std::uint32_t word = 0) {
  const auto r = base::philox({seed, base::Purpose::kTest}, {0, 0, static_cast<std::uint64_t>(i), word});
  return 2.0F * base::uniform_float(r[0]) - 1.0F;
}

/// A CSR in plain vectors, with the view of it.
struct HostCsr {
  Index rows = 0, cols = 0;
  std::vector<Index> row_offsets{0};
  std::vector<LocalIndex> col_ids;
  std::vector<float> values;
  [[nodiscard]] CsrView view() const { return {rows, cols, row_offsets, col_ids, values}; }
};

/// Row i has about `degree` distinct columns (every third row none), row `hub` (if >= 0) has `hub_degree`.
inline HostCsr random_csr(std::uint64_t seed, Index rows, Index cols, Index degree, bool valued,
                          Index hub = -1, Index hub_degree = 0) {
  HostCsr a;
  a.rows = rows;
  a.cols = cols;
  for (Index i = 0; i < rows; ++i) {
    const Index want = i == hub ? hub_degree : (i % 3 == 1 ? 0 : degree);
    std::set<LocalIndex> ids;
    for (Index k = 0; k < want && cols > 0; ++k) {
      const auto r = base::philox({seed, base::Purpose::kTest},
                                  {1, 0, static_cast<std::uint64_t>(i), static_cast<std::uint32_t>(k)});
      ids.insert(static_cast<LocalIndex>(base::uniform_below(r[0], r[1], static_cast<std::uint64_t>(cols))));
    }
    a.col_ids.insert(a.col_ids.end(), ids.begin(), ids.end());
    a.row_offsets.push_back(static_cast<Index>(a.col_ids.size()));
  }
  if (valued)
    for (std::size_t e = 0; e < a.col_ids.size(); ++e)
      a.values.push_back(draw(seed + 1, static_cast<Index>(e)));
  return a;
}

}  // namespace opx::spmm::testing
