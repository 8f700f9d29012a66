// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The row kernel, compiled once per instruction set by multiply.cpp.
//
// A row's columns are cut into blocks of up to kMaxVectors vectors, whose sums stay in registers. The last
// vector of a block is moved left to end with the block, so it may recompute columns of its neighbour (same
// terms, same order, same bits) but never reads or writes past the row: no masks, the same text for every
// instruction set. Blocks narrower than a vector take a shorter vector.

// clang-format off: Highway's per-target include guard.
#if defined(OPX_SPMM_CPU_ROWS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef OPX_SPMM_CPU_ROWS_INL_HPP
#undef OPX_SPMM_CPU_ROWS_INL_HPP
#else
#define OPX_SPMM_CPU_ROWS_INL_HPP
#endif
// clang-format on

#include <algorithm>
#include <array>
#include <utility>

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "spmm/cpu/multiply.hpp"

HWY_BEFORE_NAMESPACE();
namespace opx::spmm::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr Index kLanes = static_cast<Index>(HWY_LANES(float));
// Registers left for sums: 32 on AVX-512 and NEON, 16 elsewhere.
constexpr int kMaxVectors = HWY_TARGET <= HWY_AVX3 || HWY_ARCH_ARM ? 16 : 12;
// Wider rows are taken in panels, so that the rows under way fit the first cache levels.
constexpr Index kPanelCols = 512;
constexpr Index kPrefetchEntries = 32;
constexpr Index kPrefetchBytes = 32768;
constexpr Index kLineBytes = 64;

template <class D>
using VecOf = hn::Vec<D>;

template <class D>
HWY_INLINE VecOf<D> load(D d, const float* p) {
  return hn::LoadU(d, p);
}

// bf16 is the upper half of fp32.
template <class D>
HWY_INLINE VecOf<D> load(D d, const bfloat16* p) {
  const hn::Rebind<std::uint16_t, D> d16;
  const hn::Rebind<std::uint32_t, D> d32;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(p));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
}

// Columns [begin, begin + width) of X and Y, and where the last vector starts within them.
struct Block {
  Index begin = 0, last = 0;
};

// How the rows ahead are fetched: `lines` cache lines from column `begin` on, `ahead` entries early; 0 lines:
// not.
struct Prefetch {
  Index begin = 0, lines = 0, ahead = 0;
};

// The order in which n cache lines of a row are asked for, in groups of up to eight. Rising order makes
// hardware prefetchers run on past the end of the row and waste up to half of what memory gives; these orders
// were the best of all or of a sample (docs/performance-spmm.md); vectors shorter than a line have their own.
// multiply.cpp is compiled without instruction scheduling to keep them. Worked out by the compiler: a call
// for every vector of every entry took half the time of narrow rows.
template <int i, int n, bool parts_of_lines>
consteval int scattered() {
  constexpr int kOrder[9][8] = {{},
                                {0},
                                {0, 1},
                                {1, 2, 0},
                                {2, 0, 3, 1},
                                {2, 1, 0, 4, 3},
                                {2, 0, 4, 5, 1, 3},
                                {3, 1, 0, 6, 5, 4, 2},
                                {3, 0, 2, 1, 4, 6, 5, 7}};
  constexpr int kPartsOf8[8] = {2, 6, 0, 4, 7, 1, 5, 3};
  const int group = i / 8 * 8, left = std::min(n - group, 8), at = i - group;
  return group + (parts_of_lines && left == 8 ? kPartsOf8[at] : kOrder[left][at]);
}

// Not a lambda: GCC drops calls of a function that only prefetches, unless they are inlined first.
template <int... line>
HWY_INLINE void prefetch_lines(const char* row, std::integer_sequence<int, line...>) {
  (__builtin_prefetch(row + scattered<line, sizeof...(line), false>() * kLineBytes, 0, 2), ...);
}

// Into the second-level cache: its queue of misses is longer than the first level's, which took a third to a
// half off the time where rows come from memory.
template <int kLines, class T>
HWY_INLINE void prefetch_row(const T* row, Index lines) {
  const char* bytes = reinterpret_cast<const char*>(row);
  prefetch_lines(bytes, std::make_integer_sequence<int, kLines>{});
  for (Index line = kLines; line < lines; ++line) __builtin_prefetch(bytes + line * kLineBytes, 0, 2);
}

template <bool kWeighted, class T>
HWY_INLINE float weight(const RowsTask<T>& task, Index e, LocalIndex col) {
  if constexpr (!kWeighted) return 1.0F;
  const float value = task.values != nullptr ? task.values[e] : 1.0F;
  return task.col_scale != nullptr ? value * task.col_scale[col] : value;
}

// The sums of a block. Cleared by {}: a loop would become a memset of memory.
template <int kVectors, class D>
struct Sums {
  VecOf<D> at[kVectors];
};

// Vector v of a row of X, or the last one, into its sum.
template <int v, bool kWeighted, class D, class T, int kVectors>
HWY_INLINE void add_vector(D d, VecOf<D> w, const T* x, Index last, Sums<kVectors, D>& sums) {
  constexpr Index lanes = static_cast<Index>(hn::MaxLanes(D()));
  const VecOf<D> term = load(d, x + (v + 1 < kVectors ? v * lanes : last));
  sums.at[v] = kWeighted ? hn::MulAdd(w, term, sums.at[v]) : hn::Add(sums.at[v], term);
}

template <bool kWeighted, bool kParts, class D, class T, int kVectors, int... i>
HWY_INLINE void add_vectors(D d, VecOf<D> w, const T* x, Index last, Sums<kVectors, D>& sums,
                            std::integer_sequence<int, i...>) {
  (add_vector<scattered<i, kVectors, kParts>(), kWeighted>(d, w, x, last, sums), ...);
}

template <int kVectors, bool kWeighted, bool kPrefetch, class D, class T>
HWY_INLINE void add_entries(D d, const RowsTask<T>& task, Range entries, Block block,
                            const Prefetch& prefetch, Sums<kVectors, D>& sums) {
  constexpr Index lanes = static_cast<Index>(hn::MaxLanes(D()));
  constexpr int kLines =
      static_cast<int>(ceil_div(kVectors * lanes * static_cast<Index>(sizeof(T)), kLineBytes));
  constexpr bool kParts = lanes * static_cast<Index>(sizeof(T)) < kLineBytes;
  const LocalIndex* const col_ids = task.col_ids;
  const T* const columns = task.x.data + block.begin;
  const T* const prefetched = task.x.data + prefetch.begin;
  const Index ld = task.x.ld, ahead = prefetch.ahead, lines = prefetch.lines, final = task.nnz - 1;
  for (Index e = entries.begin; e < entries.end; ++e) {
    if constexpr (kPrefetch)
      prefetch_row<kLines>(prefetched + col_ids[std::min(e + ahead, final)] * ld, lines);
    const LocalIndex col = col_ids[e];
    const T* x = columns + col * ld;
    const VecOf<D> w = hn::Set(d, weight<kWeighted>(task, e, col));
    add_vectors<kWeighted, kParts>(d, w, x, block.last, sums, std::make_integer_sequence<int, kVectors>{});
  }
}

// All of `before` is read before anything is stored: the last vector may overlap its neighbour.
template <int kVectors, class D, class T>
HWY_INLINE void store_row(D d, const RowsTask<T>& task, Index row, Block block, Sums<kVectors, D>& sums) {
  constexpr Index lanes = static_cast<Index>(hn::MaxLanes(D()));
  float* y = task.y.row(row) + block.begin;
  if (task.row_scale != nullptr) {
    const VecOf<D> scale = hn::Set(d, task.row_scale[row]);
    for (int v = 0; v < kVectors; ++v) sums.at[v] = hn::Mul(scale, sums.at[v]);
  }
  if (task.stream) {
    for (int v = 0; v < kVectors; ++v) hn::Stream(sums.at[v], d, y + v * lanes);
    return;
  }
  if (task.accumulate)
    for (int v = 0; v < kVectors; ++v)
      sums.at[v] = hn::Add(sums.at[v], hn::LoadU(d, y + (v + 1 < kVectors ? v * lanes : block.last)));
  for (int v = 0; v < kVectors; ++v)
    hn::StoreU(sums.at[v], d, y + (v + 1 < kVectors ? v * lanes : block.last));
}

// Rows one after another for one block of columns.
template <int kVectors, bool kWeighted, class D, class T>
HWY_NOINLINE void sum_block(const RowsTask<T>& task, Range rows, Block block, const Prefetch& prefetch) {
  const D d;
  for (Index row = rows.begin; row < rows.end; ++row) {
    const Range entries{task.row_offsets[row], task.row_offsets[row + 1]};
    Sums<kVectors, D> sums{};
    if (prefetch.lines > 0)
      add_entries<kVectors, kWeighted, true>(d, task, entries, block, prefetch, sums);
    else
      add_entries<kVectors, kWeighted, false>(d, task, entries, block, prefetch, sums);
    store_row<kVectors>(d, task, row, block, sums);
  }
}

template <class T>
using BlockKernel = void (*)(const RowsTask<T>&, Range, Block, const Prefetch&);

template <bool kWeighted, class D, class T, int... kCount>
constexpr std::array<BlockKernel<T>, sizeof...(kCount)> kernels_of(std::integer_sequence<int, kCount...>) {
  return {&sum_block<kCount + 1, kWeighted, D, T>...};
}

// The kernel for a block of `width` columns: full vectors from one vector on, shorter ones below.
template <bool kWeighted, class T>
BlockKernel<T> choose_kernel(Index width, Index& last) {
  const auto pick = [&]<class D>(D, auto count) {
    constexpr Index lanes = static_cast<Index>(hn::MaxLanes(D()));
    static constexpr auto table =
        kernels_of<kWeighted, D, T>(std::make_integer_sequence<int, decltype(count)::value>{});
    last = width - lanes;
    return table[static_cast<std::size_t>(ceil_div(width, lanes) - 1)];
  };
  using Full = hn::ScalableTag<float>;
  if (kLanes == 1 || width >= kLanes) return pick(Full{}, std::integral_constant<int, kMaxVectors>{});
  if constexpr (kLanes >= 16)
    if (width >= 8) return pick(hn::CappedTag<float, 8>{}, std::integral_constant<int, 2>{});
  if constexpr (kLanes >= 8)
    if (width >= 4) return pick(hn::CappedTag<float, 4>{}, std::integral_constant<int, 2>{});
  if constexpr (kLanes > 1) return pick(hn::CappedTag<float, 1>{}, std::integral_constant<int, 3>{});
}

template <bool kWeighted, class T>
void sum_panel(const RowsTask<T>& task, Range rows, Range cols) {
  const Index vectors = ceil_div(cols.size(), kLanes);
  const Index blocks = ceil_div(vectors, kMaxVectors);
  const Index width = ceil_div(vectors, blocks) * kLanes;
  const Index panel_bytes = cols.size() * static_cast<Index>(sizeof(T));
  // A row that does not start on a line touches one more.
  const Index lines =
      ceil_div(panel_bytes, kLineBytes) + (task.x.ld * static_cast<Index>(sizeof(T)) % kLineBytes != 0);
  const Prefetch whole{cols.begin, lines,
                       std::clamp<Index>(kPrefetchBytes / panel_bytes, 4, kPrefetchEntries)};
  std::array<BlockKernel<T>, kPanelCols / kLanes + 1> kernels{};
  std::array<Block, kPanelCols / kLanes + 1> block{};
  for (Index b = 0; b < blocks; ++b) {
    const Index begin = cols.begin + b * width;
    auto& here = block[static_cast<std::size_t>(b)];
    here.begin = begin;
    kernels[static_cast<std::size_t>(b)] =
        choose_kernel<kWeighted, T>(std::min(width, cols.end - begin), here.last);
  }
  if (blocks == 1) return kernels[0](task, rows, block[0], whole);
  for (Index row = rows.begin; row < rows.end; ++row)
    for (Index b = 0; b < blocks; ++b)
      kernels[static_cast<std::size_t>(b)](task, {row, row + 1}, block[static_cast<std::size_t>(b)],
                                           b == 0 ? whole : Prefetch{});
}

template <class T>
void sum_rows(const RowsTask<T>& task, Range rows) {
  const Index d = task.x.cols;
  const Index panels = ceil_div(d, kPanelCols);
  const Index width = ceil_div(ceil_div(d, panels), kLanes) * kLanes;
  for (Index begin = 0; begin < d; begin += width) {
    const Range cols{begin, std::min(begin + width, d)};
    if (task.values != nullptr || task.col_scale != nullptr)
      sum_panel<true>(task, rows, cols);
    else
      sum_panel<false>(task, rows, cols);
  }
  if (task.stream) hwy::FlushStream();
}

void sum_rows_float(const RowsTask<float>& task, Range rows) { sum_rows(task, rows); }
void sum_rows_bfloat16(const RowsTask<bfloat16>& task, Range rows) { sum_rows(task, rows); }

}  // namespace opx::spmm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
