// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernel files of this module share: names of api.hpp, ways over a matrix, sums over a block.
#pragma once

#include <bit>

#include "device/gpu/api.hpp"
#include "tensor/kernels.hpp"

namespace opx::tensor::gpu {

namespace dg = device::gpu;
using dg::all_threads;
using dg::block;
using dg::global_thread;
using dg::lane;
using dg::shuffle_xor;
using dg::sync_threads;
using dg::thread;
using dg::warp;

constexpr int kBlockThreads = 256;
constexpr int kBlockWarps = kBlockThreads / dg::kWarp;
constexpr Index kMostBlocks = 4096;  ///< of a pass whose threads walk on

template <class Kernel>
void launch_blocks(device::Context& context, Index blocks, const Kernel& kernel) {
  dg::Device& device = context.gpu();
  dg::launch(device, device.compute(), {.blocks = blocks, .threads = kBlockThreads}, kernel);
}

/// One thread an element of n, or several where there are very many.
template <class Kernel>
void launch_walk(device::Context& context, Index n, const Kernel& kernel) {
  launch_blocks(context, std::min(dg::blocks_for(n, kBlockThreads), kMostBlocks), kernel);
}

/// A thread's way over rows x width places, which all threads of the grid (or of the block) share; divisions
/// only at the start.
class Walk {
 public:
  OPX_DEVICE Walk(Index width, Index first, Index step, Index end)
      : at_(first), step_(step), end_(end), width_(width) {
    // Unsigned: half the registers of a signed division.
    const auto w = static_cast<std::uint64_t>(width), f = static_cast<std::uint64_t>(first),
               s = static_cast<std::uint64_t>(step);
    row_ = static_cast<Index>(f / w);
    col_ = first - row_ * width;
    step_rows_ = static_cast<Index>(s / w);
    step_cols_ = step - step_rows_ * width;
  }
  [[nodiscard]] OPX_DEVICE static Walk of_grid(Index rows, Index width) {
    return {width, global_thread(), all_threads(), rows * width};
  }
  [[nodiscard]] OPX_DEVICE bool inside() const { return at_ < end_; }
  [[nodiscard]] OPX_DEVICE Index row() const { return row_; }
  [[nodiscard]] OPX_DEVICE Index col() const { return col_; }
  OPX_DEVICE void advance() {
    at_ += step_;
    row_ += step_rows_;
    col_ += step_cols_;
    if (col_ >= width_) {
      col_ -= width_;
      ++row_;
    }
  }

 private:
  Index at_, step_, end_, width_, row_, col_, step_rows_, step_cols_;
};

/// Four elements that one access moves.
template <class T>
struct alignas(4 * sizeof(T)) Quad {
  T v[4];
};

/// Whether quads of every row lie on their own alignment.
template <class T>
[[nodiscard]] bool has_quads(MatrixView<T> x) {
  return std::bit_cast<std::uintptr_t>(x.data) % alignof(Quad<std::remove_const_t<T>>) == 0 &&
         (x.rows <= 1 || x.ld % 4 == 0);
}

/// `parts` fixed ranges of rows, so that sums made of them depend on the shape alone.
[[nodiscard]] inline Index row_parts(Index rows, Index rows_each, Index most) {
  return std::clamp<Index>(ceil_div(rows, rows_each), 1, most);
}

/// Sum over the block of what its threads hold, in a fixed order; the answer is thread 0's. All threads of
/// the block call it, once for each type `Use`.
template <class Use, class T>
OPX_DEVICE T block_sum(T mine) {
  struct Memory {
    T each[kBlockThreads], some[16];
  };
  constexpr int kEach = kBlockThreads / 16;
  auto& memory = dg::shared<Memory>();
  memory.each[thread()] = mine;
  sync_threads();
  if (thread() < 16) {
    T sum = memory.each[thread() * kEach];
    for (int i = 1; i < kEach; ++i) sum += memory.each[thread() * kEach + i];
    memory.some[thread()] = sum;
  }
  sync_threads();
  T sum = memory.some[0];
  for (int i = 1; i < 16; ++i) sum += memory.some[i];
  return sum;
}

/// Lanes of a warp that share a row: a power of two, so that 32 / lanes rows go on at a time.
struct RowLanes {
  int lanes = dg::kWarp;

  /// For rows of `pieces` pieces of work each.
  [[nodiscard]] static RowLanes of(Index pieces) {
    const auto wanted = static_cast<unsigned>(std::clamp<Index>(pieces, 1, dg::kWarp));
    return {static_cast<int>(std::bit_ceil(wanted))};
  }
  [[nodiscard]] OPX_DEVICE int in_row() const { return lane() & (lanes - 1); }
  /// Rows of the block, and this thread's among them.
  [[nodiscard]] OPX_DEVICE int rows() const { return kBlockThreads / lanes; }
  [[nodiscard]] OPX_DEVICE int row() const { return thread() / lanes; }
  [[nodiscard]] Index blocks(Index rows) const {
    return std::min(ceil_div(rows, kBlockThreads / lanes), kMostBlocks);
  }

  /// Combined over the lanes of the row, the same bits in all of them. All lanes of the warp call it.
  template <class T, class Combine>
  [[nodiscard]] OPX_DEVICE T all(T mine, const Combine& combine) const {
    for (int by = lanes / 2; by > 0; by /= 2) mine = combine(mine, shuffle_xor(mine, by));
    return mine;
  }
  template <class T>
  [[nodiscard]] OPX_DEVICE T sum(T mine) const {
    for (int by = lanes / 2; by > 0; by /= 2) mine += shuffle_xor(mine, by);
    return mine;
  }
};

}  // namespace opx::tensor::gpu
