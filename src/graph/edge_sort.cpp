// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/edge_sort.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "base/error.hpp"
#include "graph/store_format.hpp"

namespace opx::graph {

TileCode::TileCode(Index vertices_, Index tiles_) : vertices(vertices_), tiles(tiles_) {
  const auto longest = static_cast<std::uint64_t>(ceil_div(std::max<Index>(vertices, 1), tiles));
  local_bits = static_cast<int>(std::bit_width(longest - 1));
  OPX_REQUIRE((static_cast<std::uint64_t>(tiles) << local_bits) <= (std::uint64_t{1} << 32), InvalidArgument,
              "{} vertices in {} tiles a side do not fit 32-bit codes", vertices, tiles);
}

bool TileCode::wide() const noexcept { return ceil_div(vertices, tiles) > format::kNarrowTile; }

RowTileEdges gather_row_tiles(device::Context& context, const EdgeLog& coded, const TileCode& code,
                              bool mirror, Range tiles) {
  const Index chunks = coded.chunks();
  const auto width = static_cast<std::size_t>(tiles.size());
  const auto first = static_cast<std::uint32_t>(tiles.begin),
             count = static_cast<std::uint32_t>(tiles.size());
  // next[chunk][tile]: first how many, then where the chunk's edges of that tile begin.
  std::vector<Index> next(static_cast<std::size_t>(chunks) * width, 0);
  const auto each = [&](Index chunk, auto&& use) {
    EdgeLog::Scratch scratch;
    const EdgeLog::View view = coded.load(chunk, scratch);
    for (std::size_t i = 0; i < view.edges.size(); ++i) {
      const std::uint64_t e = view.edges[i];
      const float w = view.weights.empty() ? 0.0F : view.weights[i];
      const std::uint32_t row = code.tile(dst_of(e)) - first, col = code.tile(src_of(e)) - first;
      if (row < count) use(row, e, w);  // unsigned: tiles ahead of `first` wrap around
      if (mirror && col < count && dst_of(e) != src_of(e)) use(col, std::rotr(e, 32), w);
    }
  };
  context.parallel_for(chunks, [&](Index c) {
    Index* counts = next.data() + static_cast<std::size_t>(c) * width;
    each(c, [&](std::uint32_t t, std::uint64_t, float) { ++counts[t]; });
  });
  RowTileEdges out{tiles, {0}, {}, {}};
  Index total = 0;
  for (std::size_t t = 0; t < width; ++t) {
    for (Index c = 0; c < chunks; ++c)
      total += std::exchange(next[static_cast<std::size_t>(c) * width + t], total);
    out.start.push_back(total);
  }
  out.edges = {context, total};
  out.weights = {context, coded.weighted() ? total : 0};
  context.parallel_for(chunks, [&](Index c) {
    Index* at = next.data() + static_cast<std::size_t>(c) * width;
    each(c, [&](std::uint32_t t, std::uint64_t e, float w) {
      const Index to = at[t]++;
      out.edges[to] = e;
      if (coded.weighted()) out.weights[to] = w;
    });
  });
  return out;
}

namespace {

// What is sorted: the key alone, or the key with its weight.
template <class Key>
struct Weighted {
  Key key;
  float weight;
};
template <class Key>
Key key_of(Key k) noexcept {
  return k;
}
template <class Key>
Key key_of(const Weighted<Key>& w) noexcept {
  return w.key;
}
template <class Key>
Key make_item(Key k, float, Key*) noexcept {
  return k;
}
template <class Key>
Weighted<Key> make_item(Key k, float w, Weighted<Key>*) noexcept {
  return {k, w};
}

template <class Item>
void insertion_sort(Item* a, std::size_t n) noexcept {
  for (std::size_t i = 1; i < n; ++i) {
    const Item item = a[i];
    std::size_t j = i;
    for (; j > 0 && key_of(a[j - 1]) > key_of(item); --j) a[j] = a[j - 1];
    a[j] = item;
  }
}

// Stable; `spare` is as long as `a`. The result is in `a`.
template <int Bits, class Item>
void radix_sort(Item* a, Item* spare, std::size_t n, int key_bits) {
  constexpr std::size_t kBuckets = std::size_t{1} << Bits;
  std::array<std::uint32_t, kBuckets> next;
  Item* from = a;
  for (int shift = 0; shift < key_bits; shift += Bits) {
    next.fill(0);
    for (std::size_t i = 0; i < n; ++i) ++next[(key_of(from[i]) >> shift) & (kBuckets - 1)];
    std::uint32_t sum = 0;
    for (auto& c : next) sum += std::exchange(c, sum);
    for (std::size_t i = 0; i < n; ++i) spare[next[(key_of(from[i]) >> shift) & (kBuckets - 1)]++] = from[i];
    std::swap(from, spare);
  }
  if (from != a) std::copy(from, from + n, a);
}

template <class Item>
void sort_items(Item* a, Item* spare, std::size_t n, int key_bits) {
  constexpr std::size_t kTiny = 32, kMany = 8192, kSome = 512;
  if (n <= kTiny) return insertion_sort(a, n);
  OPX_REQUIRE(n <= 0xffffffffU, InternalError, "{} entries in one tile", n);
  if (n >= kMany || (n >= kSome && key_bits > 30)) return radix_sort<11>(a, spare, n, key_bits);
  if (n >= kSome && key_bits > 27)
    return radix_sort<10>(a, spare, n, key_bits);  // three passes instead of four
  if (n >= kSome && key_bits > 24) return radix_sort<9>(a, spare, n, key_bits);
  radix_sort<8>(a, spare, n, key_bits);
}

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

template <class Id, class Item>
class RowTileSorter {
  using Key = decltype(key_of(Item{}));

 public:
  RowTileSorter(Index row_tile, const TileCode& code, const SortOptions& options, std::vector<Id>& rows,
                std::vector<Id>& cols, RowTile& out)
      : row_tile_(row_tile), code_(code), options_(options), rows_(rows), cols_(cols), out_(out) {}

  TileStats run(std::span<const std::uint64_t> edges, std::span<const float> weights) {
    deal(edges, weights);
    rows_.clear(), cols_.clear(), out_.values.clear();
    rows_.reserve(items_.size()), cols_.reserve(items_.size());
    out_.counts.assign(static_cast<std::size_t>(code_.tiles), 0);
    spare_.resize(items_.size());
    for (std::size_t t = 0; t + 1 < start_.size(); ++t) {
      const auto n = static_cast<std::size_t>(start_[t + 1] - start_[t]);
      Item* tile = items_.data() + start_[t];
      sort_items(tile, spare_.data(), n, 2 * code_.local_bits);
      out_.counts[t] = emit(tile, n, static_cast<std::uint32_t>(t));
    }
    return stats_;
  }

 private:
  // Parts the edges by column tile, as (row, col) keys; drops self loops where asked to.
  void deal(std::span<const std::uint64_t> edges, std::span<const float> weights) {
    const bool drop = options_.self_loops == SelfLoops::kDrop;
    start_.assign(static_cast<std::size_t>(code_.tiles) + 1, 0);
    const auto skip = [&](std::uint64_t e) { return drop && dst_of(e) == src_of(e); };
    for (const std::uint64_t e : edges)
      if (!skip(e)) ++start_[code_.tile(src_of(e)) + 1];
    std::partial_sum(start_.begin(), start_.end(), start_.begin());
    items_.resize(static_cast<std::size_t>(start_.back()));
    stats_.dropped_self_loops = static_cast<Index>(edges.size()) - start_.back();
    std::vector<Index> next(start_.begin(), start_.end() - 1);
    for (std::size_t i = 0; i < edges.size(); ++i) {
      const std::uint64_t e = edges[i];
      if (skip(e)) continue;
      const Key key = static_cast<Key>((static_cast<Key>(code_.local(dst_of(e))) << code_.local_bits) |
                                       code_.local(src_of(e)));
      items_[static_cast<std::size_t>(next[code_.tile(src_of(e))]++)] =
          make_item(key, weights.empty() ? 0.0F : weights[i], static_cast<Item*>(nullptr));
    }
  }

  // Appends the sorted entries of one tile, merging equal keys.
  Index emit(const Item* tile, std::size_t n, std::uint32_t col_tile) {
    const auto row_base = static_cast<std::uint32_t>(row_tile_) << code_.local_bits;
    const std::uint32_t col_base = col_tile << code_.local_bits, mask = (1U << code_.local_bits) - 1U;
    Index kept = 0;
    for (std::size_t i = 0; i < n;) {
      const Key key = key_of(tile[i]);
      std::size_t j = i + 1;
      while (j < n && key_of(tile[j]) == key) ++j;
      stats_.duplicates += static_cast<Index>(j - i - 1);
      const auto row = static_cast<std::uint32_t>(key >> code_.local_bits),
                 col = static_cast<std::uint32_t>(key) & mask;
      rows_.push_back(static_cast<Id>(row));
      cols_.push_back(static_cast<Id>(col));
      const float w = merge_weights(tile + i, j - i);
      stats_.self_loops += (row_base | row) == (col_base | col);
      if (options_.check_symmetry) add_asymmetry(row_base | row, col_base | col, w, stats_);
      ++kept;
      i = j;
    }
    return kept;
  }

  float merge_weights(const Key*, std::size_t) noexcept { return 0.0F; }
  float merge_weights(const Weighted<Key>* first, std::size_t n) {
    double sum = first->weight;
    if (options_.duplicates == Duplicates::kSum)
      for (std::size_t i = 1; i < n; ++i) sum += first[i].weight;
    out_.values.push_back(static_cast<float>(sum));
    return out_.values.back();
  }

  Index row_tile_;
  const TileCode& code_;
  const SortOptions& options_;
  std::vector<Id>&rows_, &cols_;
  RowTile& out_;
  std::vector<Index> start_;
  std::vector<Item> items_, spare_;
  TileStats stats_;
};

}  // namespace

TileStats sort_row_tile(std::span<const std::uint64_t> edges, std::span<const float> weights, Index row_tile,
                        const TileCode& code, const SortOptions& options, RowTile& out) {
  const auto run = [&]<class Id, class Item>(std::vector<Id>& rows, std::vector<Id>& cols, Item) {
    return RowTileSorter<Id, Item>(row_tile, code, options, rows, cols, out).run(edges, weights);
  };
  using Wide = std::uint64_t;
  using Narrow = std::uint32_t;
  if (code.wide())
    return weights.empty() ? run(out.wide_rows, out.wide_cols, Wide{})
                           : run(out.wide_rows, out.wide_cols, Weighted<Wide>{});
  return weights.empty() ? run(out.narrow_rows, out.narrow_cols, Narrow{})
                         : run(out.narrow_rows, out.narrow_cols, Weighted<Narrow>{});
}

}  // namespace opx::graph
