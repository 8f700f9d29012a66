// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the SpMM kernels share. A group of lanes of one warp works on one row (rows.cu) or on one run of
// entries (chunks.cu): each lane holds the sums of some columns, so that the group reads whole stretches of a
// row of X. The group's entries are read together, 32 bits an id, weighted, and laid into shared memory,
// from where every lane of the group reads each of them; the next ones are on their way meanwhile. What hides
// the memory's latency is that the rows of X of several entries are asked for before the first is added: no
// branch may stand between those loads (look at the machine code, `cuobjdump -sass`, after a change here).
#pragma once

#include <bit>

#include "base/bfloat16.hpp"
#include "base/error.hpp"
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
  static constexpr int kPerLane = kStage / kLanes;    ///< of these fetched by a lane
  static constexpr int kLoads = kVec == 4 ? 4 : 8;    ///< a lane's loads of X under way, at least
  static constexpr int kBatch =
      kSpans * 2 > kLoads ? 2 : kLoads / kSpans;  ///< entries whose rows are loaded together
};

/// The operands as a kernel sees them.
template <class T>
struct Operands {
  const Index* row_offsets;
  const LocalIndex* col_ids;
  const float *values, *row_scale, *col_scale;  ///< null: ones
  const T* x;
  float* y;
  std::uint32_t x_row_bytes;  ///< from a row of X to the next
  Index y_ld, rows;
  int cols;         ///< of X and Y
  bool ragged;      ///< cols is no multiple of 4: some lane of 4 columns has fewer
  bool accumulate;  ///< Y +=
  bool aligned_x;   ///< rows of X begin where 4 columns do
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

/// A lane's entries of the next stage, on their way.
template <class S>
struct Fetched {
  LocalIndex col[S::kPerLane];
  float weight[S::kPerLane];
};

/// Asks for `count` (<= kStage) entries from `first` of this lane's group.
template <class S, class T>
OPX_DEVICE void fetch(const Operands<T>& o, Index first, int count, Fetched<S>& to) {
#pragma unroll
  for (int p = 0; p < S::kPerLane; ++p) {
    const int k = dev::lane() % S::kLanes + p * S::kLanes;
    to.col[p] = 0, to.weight[p] = 1.0F;
    if (k < count) to.col[p] = dev::load_once(o.col_ids + first + k);
    if (k < count && o.values != nullptr) to.weight[p] = dev::load_once(o.values + first + k);
  }
}

/// Lays out what was fetched for this lane's group. All lanes of the warp call it; it waits for the warp.
template <class S, class T>
OPX_DEVICE const Entry* lay_out(const Operands<T>& o, const Fetched<S>& fetched, Stage<S>& stage, int half,
                                int count) {
  Entry* mine = stage.entries[half][dev::lane() / S::kLanes];
#pragma unroll
  for (int p = 0; p < S::kPerLane; ++p) {
    const int k = dev::lane() % S::kLanes + p * S::kLanes;
    float weight = fetched.weight[p];
    if (k < count && o.col_scale != nullptr) weight *= o.col_scale[fetched.col[p]];
    if (k < count) mine[k] = {fetched.col[p], weight};
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

/// Neighbouring values of a row of X as they lie in memory.
template <class T, int vec>
struct Values {
  T v;
};
template <>
struct Values<float, 4> {
  dev::Vec4 v;
};
template <>
struct Values<bfloat16, 4> {
  Bfloat16Vec4 v;
};

/// Those of `left` columns that exist, 0 for the others.
template <bool ragged, int vec, class T>
OPX_DEVICE Values<T, vec> load_values(const T* p, int left) {
  Values<T, vec> to{};
  if (left >= vec) to = *reinterpret_cast<const Values<T, vec>*>(p);
  if constexpr (ragged && vec == 4) {
    if (left > 0 && left < 4) to.v.x = p[0];
    if (left > 1 && left < 4) to.v.y = p[1];
    if (left == 3) to.v.z = p[2];
  }
  return to;
}

/// A lane's sums: columns first + span * kSpan + v of the columns that exist.
template <class S>
struct Sums {
  float at[S::kSpans][S::kVec];

  OPX_DEVICE void clear() {
    for (auto& span : at)
      for (float& v : span) v = 0;
  }

  /// Adds the first kBatch of the `rest` entries that `staged` points at, or all: weights times rows of X,
  /// where `x` points into its first row at this lane's first column, and `cols` columns are left from there.
  template <bool ragged, class T>
  OPX_DEVICE void add(const T* x, std::uint32_t row_bytes, const Entry* staged, int rest, int cols) {
    Values<T, S::kVec> of[S::kBatch][S::kSpans];
    float weight[S::kBatch];
#pragma unroll
    for (int n = 0; n < S::kBatch; ++n) {
      Entry entry{0, 0.0F};
      if (n < rest) entry = staged[n];
      weight[n] = entry.weight;
      const T* row = row_at(x, entry.col, row_bytes);
#pragma unroll
      for (int s = 0; s < S::kSpans; ++s)
        of[n][s] = load_values<ragged, S::kVec>(row + s * S::kSpan, n < rest ? cols - s * S::kSpan : 0);
    }
#pragma unroll
    for (int n = 0; n < S::kBatch; ++n) {
#pragma unroll
      for (int s = 0; s < S::kSpans; ++s) add_values(of[n][s], weight[n], at[s]);
    }
  }

  template <class T>
  OPX_DEVICE static const T* row_at(const T* x, LocalIndex row, std::uint32_t row_bytes) {
    const auto offset = static_cast<std::uint64_t>(static_cast<std::uint32_t>(row)) * row_bytes;
    return reinterpret_cast<const T*>(reinterpret_cast<const char*>(x) + offset);
  }

  template <class T>
  OPX_DEVICE static void add_values(const Values<T, S::kVec>& of, float weight, float (&to)[S::kVec]) {
    if constexpr (S::kVec == 4) {
      to[0] = std::fma(weight, widen(of.v.x), to[0]);
      to[1] = std::fma(weight, widen(of.v.y), to[1]);
      to[2] = std::fma(weight, widen(of.v.z), to[2]);
      to[3] = std::fma(weight, widen(of.v.w), to[3]);
    } else {
      to[0] = std::fma(weight, widen(of.v), to[0]);
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
  const auto row_bytes = static_cast<std::uint64_t>(x.ld) * sizeof(T);
  OPX_REQUIRE(row_bytes >> 32U == 0, InvalidArgument, "rows of X lie {} elements apart", x.ld);
  return {.row_offsets = a.row_offsets.data(),
          .col_ids = a.col_ids.data(),
          .values = given(a.values),
          .row_scale = given(options.row_scale),
          .col_scale = given(options.col_scale),
          .x = x.data,
          .y = y.data,
          .x_row_bytes = static_cast<std::uint32_t>(row_bytes),
          .y_ld = y.ld,
          .rows = a.rows,
          .cols = static_cast<int>(x.cols),
          .ragged = x.cols % 4 != 0,
          .accumulate = options.accumulate,
          .aligned_x = begins_on(x.data, x.ld, 4 * sizeof(T)),
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
  o.aligned_x ? narrow(std::integral_constant<int, 4>{}) : narrow(std::integral_constant<int, 1>{});
}

}  // namespace opx::spmm::gpu
