// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A group of lanes walks along a sampled row of the resident tile, once to count what is in the map and once
// to write it. A row of very many entries is cut by a block whose warps take consecutive parts of it.
#include <algorithm>

#include "device/gpu/api.hpp"
#include "sampling/gpu/cut.hpp"

namespace opx::sampling::gpu {
namespace {

namespace dev = device::gpu;

constexpr int kBlockThreads = 256, kLongThreads = kLongWarps * dev::kWarp;
constexpr Index kMostBlocks = 4096;
constexpr int kAhead = 4;  // columns that a lane reads before it asks the map for them

/// A padded row (or column) of the sub-batch.
struct Place {
  Index vertex;  ///< number in Drawn; -1: padding
  Index at;      ///< index in the resident slab
};

OPX_DEVICE Place place_of(const Drawn& drawn, const SlabView& slab, Index padded) {
  // 32 bits, which padded rows fit: a division of 64 costs several times as much.
  const auto rows = static_cast<std::uint32_t>(slab.block_rows);
  const std::uint32_t k = static_cast<std::uint32_t>(padded) / rows;
  const SlabBlock block = slab.blocks[k];
  const Index vertex = drawn.offsets[block.block] + (static_cast<std::uint32_t>(padded) - k * rows);
  if (vertex >= slab.ends[block.block]) return {-1, 0};
  return {vertex, drawn.position[vertex] + block.shift};
}

struct MarkColumns {
  static constexpr const char* kName = "batch_mark_columns";
  static constexpr int kThreads = kBlockThreads;
  CutWork w;

  OPX_DEVICE void operator()() const {
    for (Index c = dev::global_thread(); c < w.cols.rows; c += dev::all_threads()) {
      const Place place = place_of(w.drawn, w.cols, c);
      if (place.vertex < 0) continue;
      // Bits are added behind the tag, by whichever thread: each column comes once, so that adding is
      // setting.
      std::uint64_t* word = w.words + place.at / 32;
      dev::atomic_max(word, std::uint64_t{w.tag} << 32);
      dev::atomic_add(word, std::uint64_t{1} << (place.at % 32));
      w.ids[place.at] = static_cast<std::int32_t>(c);
      const bool factors = w.factors == Factors::kOfColumn;
      w.info[c] = {static_cast<std::int32_t>(place.vertex), w.drawn.stratum[place.vertex],
                   factors ? w.drawn.same[place.vertex] : 1.0F, factors ? w.drawn.other[place.vertex] : 1.0F};
    }
  }
};

OPX_DEVICE bool is_in(const CutWork& w, std::int32_t column) {
  const std::uint64_t word = w.words[column / 32];
  return word >> 32 == w.tag && (word >> (column % 32) & 1U) != 0;
}

/// Entries of the resident tile that belong to a padded row.
struct Span {
  Index begin = 0, entries = 0;
};

OPX_DEVICE Span row_span(const CutWork& w, Index row) {
  const Place place = place_of(w.drawn, w.rows, row);
  if (place.vertex < 0) return {};
  const Index begin = w.row_offsets[place.at];
  return {begin, w.row_offsets[place.at + 1] - begin};
}

/// Sum over the kLanes lanes of a group, in all of them. All lanes of the warp call it.
template <int kLanes>
OPX_DEVICE int group_sum(int mine) {
  for (int by = kLanes / 2; by > 0; by /= 2) mine += dev::shuffle_xor(mine, by);
  return mine;
}

/// The largest of what the groups of a warp have.
template <int kLanes>
OPX_DEVICE Index most_of_groups(Index mine) {
  for (int by = kLanes; by < dev::kWarp; by *= 2) mine = std::max(mine, dev::shuffle_xor(mine, by));
  return mine;
}

/// How many of the span's entries are in.
template <int kLanes>
OPX_DEVICE int count_in(const CutWork& w, Span span) {
  int found = 0;
#pragma unroll kAhead
  for (Index e = dev::lane() % kLanes; e < span.entries; e += kLanes)
    found += is_in(w, dev::load_once(w.col_ids + span.begin + e)) ? 1 : 0;
  return group_sum<kLanes>(found);
}

template <int kLanes>
struct CountRows {
  static constexpr const char* kName = "batch_count_rows";
  static constexpr int kThreads = kBlockThreads;
  CutWork w;

  OPX_DEVICE void operator()() const {
    constexpr int kRows = kThreads / kLanes;
    const bool leads = dev::lane() % kLanes == 0;
    std::uint32_t longest = 0;
    if (dev::global_thread() == 0) w.to_offsets[0] = 0;
    for (Index first = dev::block() * kRows; first < w.rows.rows; first += dev::blocks() * kRows) {
      const Index row = first + dev::thread() / kLanes;
      Span span = row < w.rows.rows ? row_span(w, row) : Span{};
      const bool is_long = span.entries > w.long_from;
      if (is_long && leads)
        w.long_rows[dev::atomic_add(&w.header->long_rows, std::uint32_t{1})] = static_cast<std::int32_t>(row);
      if (is_long) span.entries = 0;
      const int found = count_in<kLanes>(w, span);
      if (!leads || is_long || row >= w.rows.rows) continue;
      w.to_offsets[row + 1] = found;
      longest = std::max(longest, static_cast<std::uint32_t>(found));
    }
    for (int by = dev::kWarp / 2; by > 0; by /= 2) longest = std::max(longest, dev::shuffle_xor(longest, by));
    if (dev::lane() == 0 && longest > 0) dev::atomic_max(&w.header->longest_row, longest);
  }
};

/// The part of a long row that this warp of the block takes.
OPX_DEVICE Span part_of_warp(Span span) {
  const Index each = (span.entries + kLongWarps - 1) / kLongWarps,
              from = std::min(dev::warp() * each, span.entries);
  return {span.begin + from, std::min(each, span.entries - from)};
}

struct CountLongRows {
  static constexpr const char* kName = "batch_count_long_rows";
  static constexpr int kThreads = kLongThreads;
  CutWork w;
  struct Found {
    int of_warp[kLongWarps];
  };

  OPX_DEVICE void operator()() const {
    auto& found = dev::shared<Found>();
    for (Index i = dev::block(); i < w.header->long_rows; i += dev::blocks()) {
      const Index row = w.long_rows[i];
      const int mine = count_in<dev::kWarp>(w, part_of_warp(row_span(w, row)));
      if (dev::lane() == 0) found.of_warp[dev::warp()] = w.long_counts[i * kLongWarps + dev::warp()] = mine;
      dev::sync_threads();
      if (dev::thread() == 0) {
        int sum = 0;
        for (int warp = 0; warp < kLongWarps; ++warp) sum += found.of_warp[warp];
        w.to_offsets[row + 1] = sum;
        dev::atomic_max(&w.header->longest_row, static_cast<std::uint32_t>(sum));
      }
      dev::sync_threads();
    }
  }
};

struct Seal {
  static constexpr const char* kName = "batch_seal";
  static constexpr int kThreads = kBlockThreads;
  CutWork w;

  OPX_DEVICE void operator()() const {
    for (Index i = dev::global_thread(); i <= w.rows.rows; i += dev::all_threads()) {
      const Index offset = w.to_offsets[i];
      if (i == w.rows.rows) w.header->nnz = static_cast<std::uint64_t>(offset);
      if (offset > w.capacity) w.to_offsets[i] = w.capacity;
    }
  }
};

/// What is known of a sampled row.
struct RowInfo {
  Index vertex = -1;
  Span span;
  std::int32_t stratum = 0;
  float scale = 1, same = 1, other = 1;
};

OPX_DEVICE RowInfo row_info(const CutWork& w, Index row) {
  RowInfo info;
  const Place place = place_of(w.drawn, w.rows, row);
  if (place.vertex < 0) return info;
  info.vertex = place.vertex;
  info.span.begin = w.row_offsets[place.at];
  info.span.entries = w.row_offsets[place.at + 1] - info.span.begin;
  info.stratum = w.drawn.stratum[place.vertex];
  if (w.row_scale != nullptr) info.scale = w.row_scale[place.at];
  if (w.factors == Factors::kOfRow)
    info.same = w.drawn.same[place.vertex], info.other = w.drawn.other[place.vertex];
  return info;
}

/// Writes entry `e` of the resident tile, of a column that is in, as entry `to`; whether it is the
/// diagonal's.
OPX_DEVICE bool write_entry(const CutWork& w, const RowInfo& row, Index e, std::int32_t column, Index to) {
  const std::int32_t id = w.ids[column];
  const ColumnInfo info = w.info[id];
  // The CPU's order of products, for its bits.
  float value = row.scale * (w.col_scale != nullptr ? w.col_scale[column] : 1.0F);
  if (w.values != nullptr) value *= dev::load_once(w.values + e);
  const bool diagonal = info.vertex == row.vertex;
  if (diagonal) {
    const Index own = row.vertex - w.own_first;
    if (w.diagonal != nullptr && own >= 0 && own < w.own_count) w.diagonal[own] = value;
  } else {
    const bool same = info.stratum == row.stratum;
    value *= same ? info.same : info.other;
    value *= same ? row.same : row.other;
  }
  if (to < w.capacity) {
    w.to_cols[to] = id;
    w.to_values[to] = value;
  }
  return diagonal;
}

/// Writes what is in of a span of `row`, from entry `to` on; 1 in the lane that met the diagonal, else 0. All
/// lanes of the warp call it.
template <int kLanes>
OPX_DEVICE int write_in(const CutWork& w, const RowInfo& row, Span span, Index to) {
  const int in_group = dev::lane() % kLanes, before = dev::lane() - in_group;
  const unsigned lower = (1U << in_group) - 1, all = ~0U >> (dev::kWarp - kLanes);
  const Index most = most_of_groups<kLanes>(span.entries);
  int diagonals = 0;
  for (Index at = 0; at < most; at += Index{kAhead} * kLanes) {
    std::int32_t columns[kAhead];
    bool in[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      const Index e = at + k * kLanes + in_group;
      columns[k] = e < span.entries ? dev::load_once(w.col_ids + span.begin + e) : -1;
    }
#pragma unroll
    for (int k = 0; k < kAhead; ++k) in[k] = columns[k] >= 0 && is_in(w, columns[k]);
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      const unsigned bits = dev::ballot(in[k]) >> before & all;
      if (in[k]) {
        const Index e = span.begin + at + k * kLanes + in_group;
        diagonals += write_entry(w, row, e, columns[k], to + std::popcount(bits & lower)) ? 1 : 0;
      }
      to += std::popcount(bits);
    }
  }
  return diagonals;
}

/// Adds a thread's counts up to the header's.
OPX_DEVICE void add_counts(const CutWork& w, int diagonals, int alone) {
  diagonals = group_sum<dev::kWarp>(diagonals);
  alone = group_sum<dev::kWarp>(alone);
  if (dev::lane() != 0) return;
  if (diagonals > 0) dev::atomic_add(&w.header->diagonals, static_cast<std::uint64_t>(diagonals));
  if (alone > 0) dev::atomic_add(&w.header->rows_without_neighbours, static_cast<std::uint64_t>(alone));
}

template <int kLanes>
struct FillRows {
  static constexpr const char* kName = "batch_fill_rows";
  static constexpr int kThreads = kBlockThreads;
  CutWork w;

  OPX_DEVICE void operator()() const {
    constexpr int kRows = kThreads / kLanes;
    const bool leads = dev::lane() % kLanes == 0;
    int diagonals = 0, alone = 0;
    for (Index first = dev::block() * kRows; first < w.rows.rows; first += dev::blocks() * kRows) {
      const Index row = first + dev::thread() / kLanes;
      RowInfo info;
      Index to = 0, found = 0;
      if (row < w.rows.rows) {
        info = row_info(w, row);
        to = w.to_offsets[row];
        found = w.to_offsets[row + 1] - to;
      }
      if (info.span.entries > w.long_from) info = {};  // FillLongRows has it
      const int met = write_in<kLanes>(w, info, info.span, to);
      const int of_row = group_sum<kLanes>(met);
      diagonals += met;
      if (leads && info.vertex >= 0 && found == of_row) ++alone;
    }
    add_counts(w, diagonals, alone);
  }
};

struct FillLongRows {
  static constexpr const char* kName = "batch_fill_long_rows";
  static constexpr int kThreads = kLongThreads;
  CutWork w;
  struct Met {
    int of_warp[kLongWarps];
  };

  OPX_DEVICE void operator()() const {
    auto& met = dev::shared<Met>();
    int diagonals = 0, alone = 0;
    for (Index i = dev::block(); i < w.header->long_rows; i += dev::blocks()) {
      const Index row = w.long_rows[i];
      const RowInfo info = row_info(w, row);
      Index to = w.to_offsets[row];
      for (int warp = 0; warp < dev::warp(); ++warp) to += w.long_counts[i * kLongWarps + warp];
      const int mine = write_in<dev::kWarp>(w, info, part_of_warp(info.span), to);
      diagonals += mine;
      const int of_warp = group_sum<dev::kWarp>(mine);
      if (dev::lane() == 0) met.of_warp[dev::warp()] = of_warp;
      dev::sync_threads();
      if (dev::thread() == 0) {
        Index neighbours = w.to_offsets[row + 1] - w.to_offsets[row];
        for (int warp = 0; warp < kLongWarps; ++warp) neighbours -= met.of_warp[warp];
        alone += neighbours == 0 ? 1 : 0;
      }
      dev::sync_threads();
    }
    add_counts(w, diagonals, alone);
  }
};

struct MarkRead {
  static constexpr const char* kName = "batch_mark_read";
  static constexpr int kThreads = kBlockThreads;
  const std::int32_t* col_ids;
  Index nnz;
  std::int32_t* read;

  OPX_DEVICE void operator()() const {
    for (Index e = dev::global_thread(); e < nnz; e += dev::all_threads()) read[col_ids[e]] = 0;
  }
};

struct Renumber {
  static constexpr const char* kName = "batch_renumber";
  static constexpr int kThreads = kBlockThreads;
  const std::int32_t* kept;
  Index nnz;
  std::int32_t* col_ids;

  OPX_DEVICE void operator()() const {
    for (Index e = dev::global_thread(); e < nnz; e += dev::all_threads()) col_ids[e] = kept[col_ids[e]];
  }
};

struct TakeRows {
  static constexpr const char* kName = "batch_take_rows";
  static constexpr int kThreads = kBlockThreads;
  const std::int32_t* kept;
  const Index* offsets;
  Index rows, rows_left;
  Index* to;

  OPX_DEVICE void operator()() const {
    for (Index i = dev::global_thread(); i <= rows; i += dev::all_threads()) {
      const Index row = i == rows ? rows_left : Index{kept[i]};
      if (row >= 0) to[row] = offsets[i];
    }
  }
};

template <class Kernel>
void launch(dev::Device& device, dev::Stream stream, Index blocks, const Kernel& kernel) {
  dev::launch(device, stream, {.blocks = std::min(blocks, kMostBlocks), .threads = Kernel::kThreads}, kernel);
}

Index row_blocks(const CutWork& work) { return ceil_div(work.rows.rows * work.lanes, kBlockThreads); }

}  // namespace

void mark_columns(dev::Device& device, dev::Stream stream, const CutWork& work) {
  launch(device, stream, dev::blocks_for(work.cols.rows, kBlockThreads), MarkColumns{work});
}

void count_rows(dev::Device& device, dev::Stream stream, const CutWork& work) {
  const Index blocks = std::max<Index>(row_blocks(work), 1);  // the first offset, also of no rows
  if (work.lanes == 8)
    launch(device, stream, blocks, CountRows<8>{work});
  else
    launch(device, stream, blocks, CountRows<dev::kWarp>{work});
  launch(device, stream, work.most_long, CountLongRows{work});
}

void seal(dev::Device& device, dev::Stream stream, const CutWork& work) {
  launch(device, stream, dev::blocks_for(work.rows.rows + 1, kBlockThreads), Seal{work});
}

void fill_rows(dev::Device& device, dev::Stream stream, const CutWork& work) {
  if (work.lanes == 8)
    launch(device, stream, row_blocks(work), FillRows<8>{work});
  else
    launch(device, stream, row_blocks(work), FillRows<dev::kWarp>{work});
  launch(device, stream, work.most_long, FillLongRows{work});
}

void mark_read(dev::Device& device, dev::Stream stream, const std::int32_t* col_ids, Index nnz,
               std::int32_t* read) {
  launch(device, stream, dev::blocks_for(nnz, kBlockThreads), MarkRead{col_ids, nnz, read});
}

void renumber(dev::Device& device, dev::Stream stream, const std::int32_t* kept, Index nnz,
              std::int32_t* col_ids) {
  launch(device, stream, dev::blocks_for(nnz, kBlockThreads), Renumber{kept, nnz, col_ids});
}

void take_rows(dev::Device& device, dev::Stream stream, const std::int32_t* kept, const Index* offsets,
               Index rows, Index rows_left, Index* to) {
  launch(device, stream, dev::blocks_for(rows + 1, kBlockThreads),
         TakeRows{kept, offsets, rows, rows_left, to});
}

}  // namespace opx::sampling::gpu
