// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to sampling/gpu: what the kernels of one cut are given, and the functions that launch them
// (cut.cu). All pointers are memory of the GPU, all work is put on `stream`, nothing waits. In this order:
//
//   mark_columns   the sampled columns of the resident tile into the map
//   count_rows     entries that each row keeps, to to_offsets[row + 1]
//   inclusive_sum  (scan.hpp) over to_offsets: where each row begins
//   seal           their number into the header; no offset past the capacity
//   fill_rows      columns and values, in the order of the resident row
//
// The map: bit c % 32 of word c / 32 says whether column c is in, and ids[c] which one it is. The upper half
// of a word is the number of the cut that its bits are of, so that nothing is cleared between cuts: a quarter
// of a byte a column to probe, 4 bytes more for those that are in.
#pragma once

#include <cstdint>

#include "device/gpu/device.hpp"

namespace opx::sampling::gpu {

/// A block of a slab: its number in the grid, and what makes a position of it an index of the resident slab.
struct SlabBlock {
  Index block, shift;
};

/// A slab of the sub-batch: `block_rows` padded rows a block, `rows` in all. Padded row i is vertex
/// i % block_rows of block b = i / block_rows of the slab, where that is before ends[b's number in the grid].
struct SlabView {
  const SlabBlock* blocks;
  const Index* ends;
  Index rows, block_rows;
};

/// The Selection there, in the order of the sub-batch's rows (RowOrder).
struct Drawn {
  const Index* offsets;    ///< the first vertex of each block, and behind the last
  const Index* loss_ends;  ///< of each block, behind its vertices in the loss
  const std::int32_t *position, *stratum;
  const float *same, *other;
};

/// What is known of a sampled column; 16 bytes that one access reads.
struct alignas(16) ColumnInfo {
  std::int32_t vertex, stratum;  ///< vertex: its number in the Selection
  float same, other;
};

/// What a cut found, which the host reads late.
struct CutHeader {
  std::uint64_t nnz;  ///< that there are, also where the capacity is less
  std::uint64_t diagonals, rows_without_neighbours;
  std::uint32_t longest_row, long_rows;
};

enum class Factors : std::uint8_t { kNone, kOfColumn, kOfRow };

struct CutWork {
  Drawn drawn;
  SlabView rows, cols;
  // The resident tile; null: ones.
  const Index* row_offsets;
  const std::int32_t* col_ids;
  const float *values, *row_scale, *col_scale;
  // The map.
  std::uint64_t* words;
  std::int32_t* ids;
  ColumnInfo* info;  ///< of each padded column
  std::uint32_t tag;
  // The tile that is made: rows.rows + 1 offsets, `capacity` entries.
  Index* to_offsets;
  std::int32_t* to_cols;
  float* to_values;
  Index capacity;
  CutHeader* header;
  /// Where the diagonal entries of vertices [own_first, own_first + own_count) of Drawn go; null: nowhere.
  float* diagonal;
  Index own_first, own_count;
  Factors factors;
  /// Resident rows of more entries are cut by a block each: at most `most_long`, listed by count_rows with
  /// what each warp of the block finds.
  std::int32_t *long_rows, *long_counts;
  Index long_from, most_long;
  int lanes;  ///< that cut a shorter row: 8 or 32
};

inline constexpr int kLongWarps = 16;  ///< of the block that cuts a long row

void mark_columns(device::gpu::Device& device, device::gpu::Stream stream, const CutWork& work);
void count_rows(device::gpu::Device& device, device::gpu::Stream stream, const CutWork& work);
void seal(device::gpu::Device& device, device::gpu::Stream stream, const CutWork& work);
void fill_rows(device::gpu::Device& device, device::gpu::Stream stream, const CutWork& work);

/// read[c] = 0 for each of the `nnz` columns c.
void mark_read(device::gpu::Device& device, device::gpu::Stream stream, const std::int32_t* col_ids,
               Index nnz, std::int32_t* read);
/// Each of the `nnz` columns c becomes kept[c].
void renumber(device::gpu::Device& device, device::gpu::Stream stream, const std::int32_t* kept, Index nnz,
              std::int32_t* col_ids);
/// Rows i with kept[i] < 0, which are empty, are taken out: `offsets` of `rows` rows become `to`, of
/// `rows_left`.
void take_rows(device::gpu::Device& device, device::gpu::Stream stream, const std::int32_t* kept,
               const Index* offsets, Index rows, Index rows_left, Index* to);

}  // namespace opx::sampling::gpu
