// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A matrix in chunks of 8 columns (one draw of dropout's generator, one byte of a mask): a thread keeps a
// chunk and goes down rows, so that what belongs to columns stays in its registers and sums over rows need
// no other thread until the end. Blocks take a fixed range of rows each.
#pragma once

#include "tensor/gpu/kernel.cuh"

namespace opx::tensor::gpu {

constexpr int kChunk = 8;

struct Chunk {
  float v[kChunk];
};

/// Columns [j, j + 8) of a row; 0 past its end. `quads`: the row is aligned for accesses of 16 bytes.
OPX_DEVICE inline Chunk load_chunk(const float* row, Index j, Index cols, bool quads) {
  Chunk c;
  if (quads && j + kChunk <= cols) {
    const auto* from = reinterpret_cast<const Quad<float>*>(row + j);
    const Quad<float> low = from[0], high = from[1];
    for (int k = 0; k < 4; ++k) {
      c.v[k] = low.v[k];
      c.v[4 + k] = high.v[k];
    }
  } else {
    for (int k = 0; k < kChunk; ++k) c.v[k] = j + k < cols ? row[j + k] : 0.0F;
  }
  return c;
}

/// The same of a vector of the columns; `otherwise` where there is none.
OPX_DEVICE inline Chunk load_columns(const float* values, Index j, Index cols, float otherwise) {
  Chunk c;
  for (int k = 0; k < kChunk; ++k) c.v[k] = values != nullptr && j + k < cols ? values[j + k] : otherwise;
  return c;
}

OPX_DEVICE inline void store_chunk(const Chunk& c, float* row, Index j, Index cols, bool quads) {
  if (quads && j + kChunk <= cols) {
    auto* to = reinterpret_cast<Quad<float>*>(row + j);
    to[0] = {{c.v[0], c.v[1], c.v[2], c.v[3]}};
    to[1] = {{c.v[4], c.v[5], c.v[6], c.v[7]}};
  } else {
    for (int k = 0; k < kChunk; ++k)
      if (j + k < cols) row[j + k] = c.v[k];
  }
}

/// How a grid covers rows x cols: parts of the rows by tiles of up to 32 chunks.
struct Tiles {
  Index rows = 0, cols = 0, parts = 1, tiles = 1;
  int lanes = 1;  // chunks of a tile, a power of two

  /// About `rows_each` rows a thread, in `most_parts` parts at most.
  [[nodiscard]] static Tiles of(Index rows, Index cols, Index rows_each, Index most_parts) {
    Tiles t{.rows = rows, .cols = cols};
    t.lanes = RowLanes::of(ceil_div(cols, kChunk)).lanes;
    t.tiles = std::max<Index>(1, ceil_div(ceil_div(cols, kChunk), t.lanes));
    t.parts = row_parts(rows, rows_each * (kBlockThreads / t.lanes), most_parts);
    return t;
  }
  [[nodiscard]] Index blocks() const { return parts * tiles; }

  [[nodiscard]] OPX_DEVICE Index part() const { return block() / tiles; }
  /// First column of this thread's chunk; past the end in the last tile, maybe.
  [[nodiscard]] OPX_DEVICE Index col() const {
    return (block() % tiles * lanes + (thread() & (lanes - 1))) * kChunk;
  }
  [[nodiscard]] OPX_DEVICE Index first_row() const {
    return even_range(rows, parts, part()).begin + thread() / lanes;
  }
  [[nodiscard]] OPX_DEVICE Index end_row() const { return even_range(rows, parts, part()).end; }
  [[nodiscard]] OPX_DEVICE Index row_step() const { return kBlockThreads / lanes; }
};

/// Sums over the threads of a block that share a chunk, in a fixed order: columns [col, col + 8) of `to`. All
/// threads of the block call it, `lanes` threads to a row; it may be called again.
template <class T>
OPX_DEVICE void sum_rows_of_block(const T (&mine)[kChunk], int lanes, Index col, Index cols, double* to) {
  struct Memory {
    double v[kChunk][kBlockThreads];
  };
  auto& memory = dg::shared<Memory>();
  sync_threads();
  for (int k = 0; k < kChunk; ++k) memory.v[k][thread()] = static_cast<double>(mine[k]);
  sync_threads();
  // Thread t adds up column t / lanes of chunk t % lanes.
  const int chunk = thread() & (lanes - 1), k = thread() / lanes;
  const Index first = col - (thread() & (lanes - 1)) * kChunk;
  if (k >= kChunk || first + chunk * kChunk + k >= cols) return;
  double sum = 0;
  for (int t = chunk; t < kBlockThreads; t += lanes) sum += memory.v[k][t];
  to[first + chunk * kChunk + k] = sum;
}

/// to[j] = the sum of partial[p * n + j] over the parts p, in a fixed order, for the n sums of up to three
/// vectors of `cols`, some of which may not be wanted (null).
template <class T>
struct AddParts {
  static constexpr const char* kName = "add_parts";
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kColumns = 8, kRows = kThreads / kColumns;
  struct Memory {
    double v[kRows][kColumns];
  };
  const double* partial;
  Index parts, n, cols;
  T* to[3];

  OPX_DEVICE void operator()() const {
    auto& memory = dg::shared<Memory>();
    const int row = thread() / kColumns, column = thread() % kColumns;
    const Index j = block() * kColumns + column;
    double sum = 0;
    for (Index p = row; p < parts && j < n; p += kRows) sum += partial[p * n + j];
    memory.v[row][column] = sum;
    sync_threads();
    if (row != 0 || j >= n || to[j / cols] == nullptr) return;
    for (int r = 1; r < kRows; ++r) sum += memory.v[r][column];
    to[j / cols][j % cols] = static_cast<T>(sum);
  }
};

template <class T>
void add_parts(device::Context& context, const double* partial, Index parts, Index vectors, Index cols,
               const std::array<T*, 3>& to) {
  const Index n = vectors * cols;
  launch_blocks(context, ceil_div(n, AddParts<T>::kColumns),
                AddParts<T>{partial, parts, n, cols, {to[0], to[1], to[2]}});
}

}  // namespace opx::tensor::gpu
