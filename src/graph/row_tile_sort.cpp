// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Entries are dealt to their column tiles, then each tile is sorted by (row, col) as one integer: a tile of
// some thousand entries stays in the innermost caches.
#include "graph/row_tile_sort.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <type_traits>

#include "base/error.hpp"
#include "graph/tile_sort.hpp"

namespace opx::graph {
namespace {

using detail::key_of;
using detail::Weighted;

std::uint64_t mix(std::uint64_t x) noexcept {  // the finaliser of MurmurHash3
  x ^= x >> 33, x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33, x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

void add_asymmetry(std::uint32_t r, std::uint32_t c, float w, TileStats& stats) noexcept {
  const std::uint64_t salt = std::uint64_t{std::bit_cast<std::uint32_t>(w)} * 0x9e3779b97f4a7c15ULL;
  const std::uint64_t a = mix(pack_edge(r, c) ^ salt), b = mix(pack_edge(c, r) ^ salt);
  stats.asymmetry[0] += a - b;
  stats.asymmetry[1] += std::rotl(a, 29) * (a | 1) - std::rotl(b, 29) * (b | 1);
}

// Edges of one row tile, which lie together: one part that holds all columns.
struct EdgeSpan {
  std::span<const std::uint64_t> edges;
  std::span<const float> weights;
  const TileCode& code;

  [[nodiscard]] Index size() const { return std::ssize(edges); }
  [[nodiscard]] Index parts() const { return 1; }
  [[nodiscard]] Range col_tiles(Index) const { return {0, code.tiles}; }
  // use(row within its tile, code of the column, weight)
  template <class Use>
  void each(Index, Use&& use) const {
    for (std::size_t i = 0; i < edges.size(); ++i)
      use(code.local(dst_of(edges[i])), src_of(edges[i]), weights.empty() ? 0.0F : weights[i]);
  }
};

// The buckets of one row tile.
struct BucketSpan {
  const EdgeBuckets& buckets;
  const TileCode& code;
  Index row_tile;

  [[nodiscard]] Index size() const {
    Index n = 0;
    for (Index p = 0; p < parts(); ++p)
      for (const auto& block : buckets.blocks(row_tile, p)) n += std::ssize(block);
    return n;
  }
  [[nodiscard]] Index parts() const { return buckets.shape().parts; }
  [[nodiscard]] Range col_tiles(Index part) const {
    const Index most = Index{1} << (buckets.shape().column_bits - code.local_bits);
    return {part * most, std::min((part + 1) * most, code.tiles)};
  }
  template <class Use>
  void each(Index part, Use&& use) const {
    const int bits = buckets.shape().column_bits;
    const std::uint32_t low = (1U << bits) - 1U, high = static_cast<std::uint32_t>(part) << bits;
    for (const auto& block : buckets.blocks(row_tile, part))
      for (const std::uint32_t e : block) use(e >> bits, high | (e & low), 0.0F);
  }
};

// Appends a tile's sorted entries to the row tile, merging equal keys.
template <class Id, class Item>
class Emitter {
 public:
  Emitter(const TileCode& code, const SortOptions& options, Index row_tile, Id* rows, Id* cols, float* values,
          std::uint32_t* row_counts, TileStats& stats)
      : code_(code),
        options_(options),
        row_base_(static_cast<std::uint32_t>(row_tile) << code.local_bits),
        rows_(rows),
        cols_(cols),
        values_(values),
        row_counts_(row_counts),
        stats_(stats) {}

  Index emit(const Item* tile, std::size_t n, Index col_tile) {
    const std::uint32_t col_base = static_cast<std::uint32_t>(col_tile) << code_.local_bits;
    const std::size_t begin = at_;
    merge(tile, n);
    for (std::size_t i = begin; i < at_; ++i) ++row_counts_[rows_[i]];
    if (col_base == row_base_)
      for (std::size_t i = begin; i < at_; ++i) stats_.self_loops += rows_[i] == cols_[i];
    if (options_.check_symmetry)
      for (std::size_t i = begin; i < at_; ++i)
        add_asymmetry(row_base_ | rows_[i], col_base | cols_[i], values_ == nullptr ? 0.0F : values_[i],
                      stats_);
    stats_.duplicates += static_cast<Index>(n - (at_ - begin));
    return static_cast<Index>(at_ - begin);
  }
  [[nodiscard]] std::size_t size() const noexcept { return at_; }

 private:
  template <class Key>
  void write(Key key) noexcept {
    rows_[at_] = static_cast<Id>(key >> code_.local_bits);
    cols_[at_] = static_cast<Id>(code_.local(static_cast<std::uint32_t>(key)));
  }
  template <class Key>
  requires std::is_integral_v<Key>
  void merge(const Key* tile, std::size_t n) noexcept {  // the next entry overwrites its equal
    if (n == 0) return;
    for (std::size_t i = 0; i + 1 < n; ++i) {
      write(tile[i]);
      at_ += tile[i] != tile[i + 1];
    }
    write(tile[n - 1]);
    ++at_;
  }
  template <class Key>
  void merge(const Weighted<Key>* tile, std::size_t n) noexcept {
    for (std::size_t i = 0, end = 0; i < n; i = end) {
      double sum = tile[i].weight;
      for (end = i + 1; end < n && tile[end].key == tile[i].key; ++end)
        if (options_.duplicates == Duplicates::kSum) sum += tile[end].weight;
      write(tile[i].key);
      values_[at_++] = static_cast<float>(sum);
    }
  }

  const TileCode code_;
  const SortOptions options_;
  const std::uint32_t row_base_;
  Id *const rows_, *const cols_;
  float* const values_;
  std::uint32_t* const row_counts_;
  TileStats& stats_;
  std::size_t at_ = 0;
};

}  // namespace

void TileStats::add(const TileStats& other) noexcept {
  self_loops += other.self_loops;
  dropped_self_loops += other.dropped_self_loops;
  duplicates += other.duplicates;
  for (int i = 0; i < 2; ++i) asymmetry[i] += other.asymmetry[i];
}

// Parts the entries of a part by column tile, as (row, col) keys: those of its t-th tile are [start_[t],
// start_[t + 1]) of what is returned. Drops self loops where asked to.
template <class Item, class Source>
Item* RowTileSorter::deal(const Source& source, Index part, Index row_tile, TileStats& stats) {
  using Key = decltype(key_of(Item{}));
  const Range tiles = source.col_tiles(part);
  const auto first = static_cast<std::uint32_t>(tiles.begin);
  const bool drop = options_.self_loops == SelfLoops::kDrop;
  const std::uint32_t row_base = static_cast<std::uint32_t>(row_tile) << code_.local_bits;
  const auto skip = [&](std::uint32_t row, std::uint32_t col) { return drop && (row_base | row) == col; };
  start_.assign(static_cast<std::size_t>(tiles.size()) + 1, 0);
  source.each(part, [&](std::uint32_t row, std::uint32_t col, float) {
    if (skip(row, col))
      ++stats.dropped_self_loops;
    else
      ++start_[code_.tile(col) - first + 1];
  });
  std::partial_sum(start_.begin(), start_.end(), start_.begin());
  next_.assign(start_.begin(), start_.end() - 1);
  Item* const items = items_.room<Item>(static_cast<std::size_t>(start_.back()));
  source.each(part, [&](std::uint32_t row, std::uint32_t col, float weight) {
    if (skip(row, col)) return;
    const auto key = static_cast<Key>((static_cast<Key>(row) << code_.local_bits) | code_.local(col));
    items[next_[code_.tile(col) - first]++] = detail::make_item(key, weight, static_cast<Item*>(nullptr));
  });
  return items;
}

template <class Id, class Item, class Source>
TileStats RowTileSorter::run(const Source& source, Index row_tile, std::vector<Id>& rows,
                             std::vector<Id>& cols, RowTile& out) {
  constexpr bool kWeighted = !std::is_same_v<decltype(key_of(Item{})), Item>;
  TileStats stats;
  const auto most = static_cast<std::size_t>(source.size());
  rows.resize(most), cols.resize(most), out.values.resize(kWeighted ? most : 0);
  out.counts.assign(static_cast<std::size_t>(code_.tiles), 0);
  out.row_counts.assign(std::size_t{1} << code_.local_bits, 0);
  Emitter<Id, Item> emitter(code_, options_, row_tile, rows.data(), cols.data(),
                            kWeighted ? out.values.data() : nullptr, out.row_counts.data(), stats);
  for (Index part = 0; part < source.parts(); ++part) {
    Item* const items = deal<Item>(source, part, row_tile, stats);
    const Range tiles = source.col_tiles(part);
    for (std::size_t t = 0; t + 1 < start_.size(); ++t) {
      const auto n = static_cast<std::size_t>(start_[t + 1] - start_[t]);
      Item* const spare = spare_.room<Item>(n);
      const Item* sorted = detail::sort_items(items + start_[t], spare, n, 2 * code_.local_bits);
      const Index tile = tiles.begin + static_cast<Index>(t);
      out.counts[static_cast<std::size_t>(tile)] = emitter.emit(sorted, n, tile);
    }
  }
  const std::size_t kept = emitter.size();
  rows.resize(kept), cols.resize(kept), out.values.resize(kWeighted ? kept : 0);
  return stats;
}

TileStats RowTileSorter::sort(std::span<const std::uint64_t> edges, std::span<const float> weights,
                              Index row_tile, RowTile& out) {
  const EdgeSpan source{edges, weights, code_};
  if (code_.wide())
    return weights.empty()
               ? run<std::uint32_t, std::uint64_t>(source, row_tile, out.wide_rows, out.wide_cols, out)
               : run<std::uint32_t, Weighted<std::uint64_t>>(source, row_tile, out.wide_rows, out.wide_cols,
                                                             out);
  return weights.empty()
             ? run<std::uint16_t, std::uint32_t>(source, row_tile, out.narrow_rows, out.narrow_cols, out)
             : run<std::uint16_t, Weighted<std::uint32_t>>(source, row_tile, out.narrow_rows, out.narrow_cols,
                                                           out);
}

TileStats RowTileSorter::sort(const EdgeBuckets& buckets, Index row_tile, RowTile& out) {
  return run<std::uint16_t, std::uint32_t>(BucketSpan{buckets, code_, row_tile}, row_tile, out.narrow_rows,
                                           out.narrow_cols, out);
}

}  // namespace opx::graph
