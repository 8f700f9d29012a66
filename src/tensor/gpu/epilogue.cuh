// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the epilogue's passes share: a row's statistics, what belongs to columns, masks. The arithmetic is the
// CPU's, in its order.
#pragma once

#include "tensor/gpu/tiles.cuh"

namespace opx::tensor::gpu {

constexpr bool is_row_norm(Norm norm) { return norm == Norm::kLayer || norm == Norm::kRms; }

/// The epilogue's vectors over the columns; null where there is none.
struct ColumnVectors {
  const float *bias, *gamma, *beta, *batch_mean, *batch_inverse_std;

  [[nodiscard]] static ColumnVectors of(const Epilogue& e) {
    return {e.bias.data(), e.gamma.data(), e.beta.data(), e.batch_mean.data(), e.batch_inverse_std.data()};
  }
};

/// What a norm does to 8 columns: xhat = (q - center - mean of the row) * inverse std.
struct NormChunk {
  Chunk center, inverse_std;

  OPX_DEVICE NormChunk(const ColumnVectors& c, Index j, Index cols) {
    const Chunk bias = load_columns(c.bias, j, cols, 0), mean = load_columns(c.batch_mean, j, cols, 0);
    for (int k = 0; k < kChunk; ++k) center.v[k] = mean.v[k] - bias.v[k];
    inverse_std = load_columns(c.batch_inverse_std, j, cols, 1);
  }
};

struct RowStatistics {
  float mean = 0, inverse_std = 1;
};

/// Slope of xhat in q.
template <Norm kNorm>
OPX_DEVICE float slope(const NormChunk& norm, int k, RowStatistics row) {
  if constexpr (kNorm == Norm::kBatch) return norm.inverse_std.v[k];
  return row.inverse_std;
}

template <Norm kNorm>
OPX_DEVICE float normalised(float q, const NormChunk& norm, int k, RowStatistics row) {
  const float x = q - norm.center.v[k];
  if constexpr (kNorm == Norm::kNone) return x;
  return (x - row.mean) * slope<kNorm>(norm, k, row);
}

/// A PassMask as bytes: of a row, byte j / 8 has the bits of columns j to j + 7 (words are little-endian).
template <class Byte>
struct MaskBytes {
  Byte* data = nullptr;
  Index row_bytes = 0;
  [[nodiscard]] OPX_DEVICE Byte& at(Index i, Index j) const { return data[i * row_bytes + j / kChunk]; }
};
static_assert(std::endian::native == std::endian::little);

/// body<kNorm>() for the norm of the epilogue.
template <class Body>
void with_norm(Norm norm, const Body& body) {
  switch (norm) {
    case Norm::kNone:
      return body.template operator()<Norm::kNone>();
    case Norm::kLayer:
      return body.template operator()<Norm::kLayer>();
    case Norm::kRms:
      return body.template operator()<Norm::kRms>();
    case Norm::kBatch:
      return body.template operator()<Norm::kBatch>();
  }
}

}  // namespace opx::tensor::gpu
