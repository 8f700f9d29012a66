// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to gpu/: C = op(A) op(B) in pieces whose operands have so many elements at most, strides counted. A
// product of tall matrices is cut by the rows that A and C share, or (A transposed) by the rows of A and B,
// which are added up in rising order.
#pragma once

#include <algorithm>

#include "base/function_ref.hpp"
#include "tensor/matrix.hpp"

namespace opx::tensor::gpu {

struct PieceShape {
  Index m = 0, k = 0, n = 0;  ///< C is m x n, the sum over k
  Index lda = 0, ldb = 0, ldc = 0;
  bool transpose_a = false, transpose_b = false;
};

/// Rows of C, and of the sum, that one call takes.
struct Piece {
  Range rows, sum;
  bool transpose_a, transpose_b;

  template <class T>
  [[nodiscard]] MatrixView<T> a(MatrixView<T> x) const {
    return transpose_a ? part(x, sum, rows) : part(x, rows, sum);
  }
  template <class T>
  [[nodiscard]] MatrixView<T> b(MatrixView<T> x) const {
    return transpose_b ? part(x, {0, x.rows}, sum) : part(x, sum, {0, x.cols});
  }
  [[nodiscard]] MatrixView<float> c(MatrixView<float> x) const { return part(x, rows, {0, x.cols}); }
  /// What C counts for before this piece: pieces of one sum follow each other.
  [[nodiscard]] float beta(float given) const { return sum.begin == 0 ? given : 1.0F; }

 private:
  template <class T>
  [[nodiscard]] static MatrixView<T> part(MatrixView<T> x, Range rows, Range cols) {
    return {x.data + rows.begin * x.ld + cols.begin, rows.size(), cols.size(), x.ld};
  }
};

/// Calls run(piece): once where nothing is too large. Widths alone are never cut: one row of an operand has
/// fewer than `most` elements.
inline void for_each_piece(const PieceShape& s, Index most, base::FunctionRef<void(const Piece&)> run) {
  const auto rows_within = [most](Index ld) { return std::max<Index>(most / std::max<Index>(ld, 1), 1); };
  // op(A) has m rows of A or, transposed, k; op(B) has k rows of B or, transposed, n.
  const Index rows =
      std::min({std::max<Index>(s.m, 1), rows_within(s.ldc), s.transpose_a ? s.m : rows_within(s.lda)});
  Index sum = std::max<Index>(s.k, 1);
  if (s.transpose_a) sum = std::min(sum, rows_within(s.lda));
  if (!s.transpose_b) sum = std::min(sum, rows_within(s.ldb));
  for (Index i = 0; i < std::max<Index>(s.m, 1); i += std::max<Index>(rows, 1))
    for (Index j = 0; j < std::max<Index>(s.k, 1); j += sum)
      run({{i, std::min(i + std::max<Index>(rows, 1), s.m)},
           {j, std::min(j + sum, s.k)},
           s.transpose_a,
           s.transpose_b});
}

}  // namespace opx::tensor::gpu
