// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What one call of the row kernel needs to know; the same for every instruction set.
#pragma once

#include "tensor/matrix.hpp"

namespace opx::spmm::cpu {

/// Y[i] = row_scale[i] sum over e of values[e] col_scale[c] X[c], c = col_ids[e]; null pointers stand for
/// ones.
template <class T>
struct RowsTask {
  const Index* row_offsets = nullptr;
  const LocalIndex* col_ids = nullptr;
  const float* values = nullptr;
  const float* row_scale = nullptr;
  const float* col_scale = nullptr;
  Index nnz = 0;  ///< of the whole matrix: how far ahead may be prefetched
  tensor::MatrixView<const T> x;
  tensor::MatrixView<float> y;
  bool accumulate = false;
  bool stream = false;  ///< store past the caches; needs 64-byte-aligned rows of whole cache lines
};

}  // namespace opx::spmm::cpu
