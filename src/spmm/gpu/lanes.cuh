// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the SpMM kernels share. A group of lanes of one warp works on one row (rows.cu) or on one run of
// entries (chunks.cu): each lane holds the sums of some columns, so that the group reads whole stretches of a
// row of X. The group's entries are read together, 32 bits an id, weighted, and laid into shared memory,
// from where every lane of the group reads each of them.
#pragma once

#include <bit>

#include "base/bfloat16.hpp"
#include "device/gpu/api.hpp"
#include "spmm/gpu/variants.hpp"

namespace opx::spmm::gpu {

namespace dev = device::gpu;

constexpr int kThreads = 128, kWarps = kThreads / dev::kWarp;

/// kLanes lanes to a group, kVec neighbouring columns to a lane, kSpans such stretches: kTile columns at a
/// time.
template <int lanes, int vec, int spans>
struct Shape {
  static constexpr int kLanes = lanes, kVec = vec, kSpans = spans;
  static constexpr int kSpan = kLanes * kVec, kTile = kSpan * kSpans;
  static constexpr int kGroups = dev::kWarp / kLanes;  ///< of a warp
  static constexpr int kBlockGroups = kWarps * kGroups;
  static constexpr int kStage =
      kLanes <= 2 ? 8 : (kLanes < 16 ? 16 : kLanes);  ///< entries laid out at a time
};

/// The operands as a kernel sees them.
template <class T>
struct Operands {
  const Index* row_offsets;
  const LocalIndex* col_ids;
  const float *values, *row_scale, *col_scale;  ///< null: ones
  const T* x;
  float* y;
  Index x_ld, y_ld, rows;
  int cols;         ///< of X and Y
  bool accumulate;  ///< Y +=
  bool aligned_y;   ///< rows of Y begin on 16 bytes
};

struct alignas(8) Entry {
  LocalIndex col;
  float weight;
};

/// Entries of the groups of one warp, twice: while slow lanes read one half, quick ones fill the other. One
/// more than needed, so that the groups' entries lie in different banks.
template <class S>
struct Stage {
  Entry entries[2][S::kGroups][S::kStage + 1];
};
template <class S>
struct BlockStages {
  Stage<S> warps[kWarps];
};

/// Lays out `count` (<= kStage) entries from `first` for this lane's group. All lanes of the warp call it;
/// it waits for the warp.
template <class S, class T>
OPX_DEVICE const Entry* lay_out(const Operands<T>& o, Stage<S>& stage, int half, Index first, int count) {
  Entry* mine = stage.entries[half][dev::lane() / S::kLanes];
  for (int k = dev::lane() % S::kLanes; k < count; k += S::kLanes) {
    const LocalIndex col = dev::load_once(o.col_ids + first + k);
    float weight = o.values != nullptr ? dev::load_once(o.values + first + k) : 1.0F;
    if (o.col_scale != nullptr) weight *= o.col_scale[col];
    mine[k] = {col, weight};
  }
  dev::sync_warp();
  return mine;
}

/// The row that holds `entry`, at or after row `from` (whose first entry is not behind it): the last one
/// whose offset is <= entry, so that empty rows before it are passed over.
OPX_DEVICE inline Index row_of(const Index* row_offsets, Index rows, Index from, Index entry) {
  constexpr int kSteps = 4;  // one by one before bisection
  for (int step = 0; step < kSteps; ++step, ++from)
    if (row_offsets[from + 1] > entry) return from;
  Index low = from, high = rows;  // row_offsets[low] <= entry < row_offsets[high]
  while (high - low > 1) {
    const Index middle = low + (high - low) / 2;
    (row_offsets[middle] <= entry ? low : high) = middle;
  }
  return low;
}

OPX_DEVICE inline float widen(float v) { return v; }
OPX_DEVICE inline float widen(bfloat16 v) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(v.bits) << 16);
}

struct alignas(8) Bfloat16Vec4 {
  bfloat16 x, y, z, w;
};
OPX_DEVICE inline dev::Vec4 load4(const float* p) { return *reinterpret_cast<const dev::Vec4*>(p); }
OPX_DEVICE inline dev::Vec4 load4(const bfloat16* p) {
  const auto v = *reinterpret_cast<const Bfloat16Vec4*>(p);
  return {widen(v.x), widen(v.y), widen(v.z), widen(v.w)};
}

/// A lane's sums: columns first + span * kSpan + v of the columns that exist.
template <class S>
struct Sums {
  float at[S::kSpans][S::kVec];

  OPX_DEVICE void clear() {
    for (auto& span : at)
      for (float& v : span) v = 0;
  }

  /// Adds weight times a row of X, which `row` points into at this lane's first column; `cols` of its columns
  /// are left from there.
  template <class T>
  OPX_DEVICE void add(const T* row, int cols, float weight) {
#pragma unroll
    for (int s = 0; s < S::kSpans; ++s, row += S::kSpan, cols -= S::kSpan) {
      if constexpr (S::kVec == 4) {
        if (cols >= 4) {
          const dev::Vec4 v = load4(row);
          at[s][0] = std::fma(weight, v.x, at[s][0]);
          at[s][1] = std::fma(weight, v.y, at[s][1]);
          at[s][2] = std::fma(weight, v.z, at[s][2]);
          at[s][3] = std::fma(weight, v.w, at[s][3]);
          continue;
        }
      }
#pragma unroll
      for (int v = 0; v < S::kVec; ++v)
        if (v < cols) at[s][v] = std::fma(weight, widen(row[v]), at[s][v]);
    }
  }

  /// to = scale * sums, or += with `accumulate`.
  OPX_DEVICE void store(float* to, int cols, float scale, bool accumulate, bool aligned) const {
#pragma unroll
    for (int s = 0; s < S::kSpans; ++s, to += S::kSpan, cols -= S::kSpan) {
      if constexpr (S::kVec == 4) {
        if (cols >= 4 && aligned) {
          dev::Vec4 v = accumulate ? load4(to) : dev::Vec4{0, 0, 0, 0};
          v.x = std::fma(scale, at[s][0], v.x);
          v.y = std::fma(scale, at[s][1], v.y);
          v.z = std::fma(scale, at[s][2], v.z);
          v.w = std::fma(scale, at[s][3], v.w);
          *reinterpret_cast<dev::Vec4*>(to) = v;
          continue;
        }
      }
#pragma unroll
      for (int v = 0; v < S::kVec; ++v)
        if (v < cols) to[v] = std::fma(scale, at[s][v], accumulate ? to[v] : 0.0F);
    }
  }
};

template <class T>
OPX_DEVICE float row_scale_of(const Operands<T>& o, Index row) {
  return o.row_scale != nullptr ? o.row_scale[row] : 1.0F;
}

// From here on: host.

template <class T>
bool begins_on(const T* data, Index ld, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(data) % bytes == 0 &&
         static_cast<std::size_t>(ld) * sizeof(T) % bytes == 0;
}

template <class T>
Operands<T> operands(const CsrView& a, tensor::MatrixView<const T> x, tensor::MatrixView<float> y,
                     const MultiplyOptions& options) {
  const auto given = [](std::span<const float> s) { return s.empty() ? nullptr : s.data(); };
  return {.row_offsets = a.row_offsets.data(),
          .col_ids = a.col_ids.data(),
          .values = given(a.values),
          .row_scale = given(options.row_scale),
          .col_scale = given(options.col_scale),
          .x = x.data,
          .y = y.data,
          .x_ld = x.ld,
          .y_ld = y.ld,
          .rows = a.rows,
          .cols = static_cast<int>(x.cols),
          .accumulate = options.accumulate,
          .aligned_y = begins_on(y.data, y.ld, sizeof(dev::Vec4))};
}

/// Calls run(Shape) with the shape for these columns: no more lanes than they need.
template <class T, class Run>
void with_shape(const Operands<T>& o, Run&& run) {
  const auto narrow = [&]<int vec>(std::integral_constant<int, vec>) {
    const int lanes = (o.cols + vec - 1) / vec;
    if (lanes <= 1) return run(Shape<1, vec, 1>{});
    if (lanes <= 2) return run(Shape<2, vec, 1>{});
    if (lanes <= 4) return run(Shape<4, vec, 1>{});
    if (lanes <= 8) return run(Shape<8, vec, 1>{});
    if (lanes <= 16) return run(Shape<16, vec, 1>{});
    if (lanes <= 32) return run(Shape<32, vec, 1>{});
    if (lanes <= 64) return run(Shape<32, vec, 2>{});
    return run(Shape<32, vec, 4>{});
  };
  begins_on(o.x, o.x_ld, 4 * sizeof(T)) ? narrow(std::integral_constant<int, 4>{})
                                        : narrow(std::integral_constant<int, 1>{});
}

}  // namespace opx::spmm::gpu
