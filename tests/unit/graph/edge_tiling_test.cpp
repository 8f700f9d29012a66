// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The second pass of prepare() piece by piece: the list of edges, the buckets, the sorting of one tile and of
// a row tile, against the standard library.
#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "graph/edge_buckets.hpp"
#include "graph/edge_gather.hpp"
#include "graph/row_tile_sort.hpp"
#include "graph/tile_sort.hpp"
#include "support/raw_dataset.hpp"

namespace opx::graph {
namespace {

std::uint64_t random_word(std::uint64_t i, std::uint32_t stream) {
  const auto r = base::philox({.seed = 11}, {.step = stream, .vertex = i});
  return (std::uint64_t{r[0]} << 32) | r[1];
}

// Edges of original ids; every seventh is a self loop, every fifth comes again.
std::vector<std::uint64_t> some_edges(Index vertices, Index count) {
  std::vector<std::uint64_t> edges;
  for (Index i = 0; i < count; ++i) {
    const std::uint64_t r = random_word(static_cast<std::uint64_t>(i), 1);
    const auto n = static_cast<std::uint64_t>(vertices);
    const auto dst = static_cast<std::uint32_t>((r >> 32) % n),
               src = static_cast<std::uint32_t>((r & 0xffffffffU) % n);
    edges.push_back(i % 5 == 4 ? edges[static_cast<std::size_t>(i - 4)]
                               : pack_edge(dst, i % 7 == 0 ? dst : src));
  }
  return edges;
}

EdgeLog log_of(device::Context& context, std::span<const std::uint64_t> edges, Index chunk) {
  EdgeLog log(context, {.weighted = false, .chunk = chunk, .memory = Index{1} << 40, .folder = {}});
  for (std::size_t at = 0; at < edges.size();) {
    const EdgeLog::Room room = log.room();
    const std::size_t n = std::min(edges.size() - at, static_cast<std::size_t>(room.size));
    std::copy_n(edges.begin() + static_cast<std::ptrdiff_t>(at), n, room.edges);
    log.advance(static_cast<Index>(n));
    at += n;
  }
  log.close();
  return log;
}

// Vertices placed by a keyed permutation.
std::vector<std::uint32_t> some_positions(Index vertices) {
  const base::KeyedPermutation shuffle({.seed = 3}, 0, vertices);
  std::vector<std::uint32_t> position;
  for (Index v = 0; v < vertices; ++v) position.push_back(static_cast<std::uint32_t>(shuffle(v)));
  return position;
}

TEST(EdgeLog, IsFilledInPiecesAndGivesItsChunksAway) {
  device::Context context({.threads = 1});
  const auto edges = some_edges(100, 1000);
  EdgeLog log = log_of(context, edges, 300);
  ASSERT_EQ(log.size(), 1000);
  ASSERT_EQ(log.chunks(), 4);
  EdgeLog::Scratch unused;
  std::vector<std::uint64_t> got;
  for (Index c = 0; c < 4; ++c) {
    const auto view = log.load(c, unused).edges;
    got.insert(got.end(), view.begin(), view.end());
  }
  EXPECT_EQ(got, edges);
  const std::size_t before = context.memory().now();
  EXPECT_EQ(log.take(1)[5], edges[305]);  // and is gone with the temporary
  EXPECT_EQ(context.memory().now(), before - 300 * sizeof(std::uint64_t));
}

TEST(BucketShape, FitsThirtyTwoBits) {
  const auto shape = BucketShape::fit(TileCode(Index{1} << 21, 256), 2, Index{1} << 30);
  ASSERT_TRUE(shape.has_value());
  EXPECT_EQ(shape->column_bits, 19);  // 13 are the row's
  EXPECT_EQ(shape->parts, 4);
  EXPECT_EQ(shape->buckets, 1024);
  EXPECT_EQ(shape->block_bytes, 16384);
  const auto tight = BucketShape::fit(TileCode(Index{1} << 21, 256), 2, Index{5} << 20);
  ASSERT_TRUE(tight.has_value());
  EXPECT_EQ(tight->block_bytes, 1024);
  EXPECT_FALSE(BucketShape::fit(TileCode(Index{1} << 21, 256), 2, Index{3} << 20).has_value());
  EXPECT_FALSE(
      BucketShape::fit(TileCode(Index{1} << 23, 256), 2, Index{1} << 40).has_value());  // 16384 buckets
  EXPECT_FALSE(
      BucketShape::fit(TileCode(Index{1} << 28, 2048), 2, Index{1} << 40).has_value());  // 17 + 17 bits
  const auto one = BucketShape::fit(TileCode(7, 7), 1, 1 << 20);                         // no bits for rows
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->buckets, 7);
}

struct Case {
  Index vertices, tiles;
};
class Tiling : public ::testing::TestWithParam<Case> {};

TEST_P(Tiling, BucketsHoldEveryEdgeOnceWhateverTheThreads) {
  const auto [vertices, tiles] = GetParam();
  const TileCode code(vertices, tiles);
  const auto edges = some_edges(vertices, 30000);
  const VertexCodes codes(some_positions(vertices), code);
  for (const bool mirror : {false, true})
    for (const int threads : {1, 4}) {
      device::Context context({.threads = threads});
      std::multiset<std::uint64_t> want, got;
      for (const std::uint64_t e : edges) {
        const std::uint32_t d = codes(dst_of(e)), s = codes(src_of(e));
        want.insert(pack_edge(d, s));
        if (mirror && d != s) want.insert(pack_edge(s, d));
      }
      EdgeLog log = log_of(context, edges, 500);
      auto shape = BucketShape::fit(code, threads, Index{1} << 30);
      ASSERT_TRUE(shape.has_value());
      shape->block_bytes = 1024;  // so that blocks run full
      const EdgeBuckets buckets(context, log, codes, code, *shape, mirror);
      for (Index t = 0; t < tiles; ++t)
        for (Index p = 0; p < shape->parts; ++p)
          for (const auto& block : buckets.blocks(t, p))
            for (const std::uint32_t e : block) {
              const auto row = (static_cast<std::uint64_t>(t) << code.local_bits) | (e >> shape->column_bits);
              const auto col = (static_cast<std::uint64_t>(p) << shape->column_bits) |
                               (e & ((1U << shape->column_bits) - 1U));
              got.insert(row << 32 | col);
            }
      EXPECT_EQ(got, want) << mirror << ' ' << threads;
    }
}

// The row tile by std::set.
void expect_row_tile(const RowTile& out, const TileStats& stats, const RowTileEdges& gathered, Index row_tile,
                     const TileCode& code, const SortOptions& options) {
  std::set<std::array<std::uint32_t, 3>> want;  // column tile, row, column
  Index entries = 0;
  for (const std::uint64_t e : gathered.edges_of(row_tile)) {
    if (options.self_loops == SelfLoops::kDrop && dst_of(e) == src_of(e)) continue;
    ++entries;
    want.insert({code.tile(src_of(e)), code.local(dst_of(e)), code.local(src_of(e))});
  }
  ASSERT_EQ(out.narrow_rows.size(), want.size());
  ASSERT_EQ(out.narrow_cols.size(), want.size());
  std::vector<Index> counts(static_cast<std::size_t>(code.tiles));
  std::vector<std::uint32_t> row_counts(out.row_counts.size());
  std::size_t i = 0;
  for (const auto& [tile, row, col] : want) {
    ASSERT_EQ(out.narrow_rows[i], row);
    ASSERT_EQ(out.narrow_cols[i], col);
    ++counts[tile], ++row_counts[row], ++i;
  }
  EXPECT_EQ(out.counts, counts);
  EXPECT_EQ(out.row_counts, row_counts);
  EXPECT_EQ(stats.duplicates, entries - static_cast<Index>(want.size()));
}

TEST_P(Tiling, RowTilesFromBucketsAndFromEdgesAreThatOfASet) {
  const auto [vertices, tiles] = GetParam();
  const TileCode code(vertices, tiles);
  const auto edges = some_edges(vertices, 30000);
  const VertexCodes codes(some_positions(vertices), code);
  device::Context context({.threads = 3});
  EdgeLog log = log_of(context, edges, 500), coded = log_of(context, edges, 700);
  EdgeLog::Scratch unused;
  for (Index c = 0; c < coded.chunks(); ++c) codes.apply(coded.load(c, unused).edges);
  const RowTileEdges gathered = gather_row_tiles(context, coded, code, true, {0, tiles});
  const EdgeBuckets buckets(context, log, codes, code, BucketShape::fit(code, 3, Index{1} << 30).value(),
                            true);
  for (const auto loops : {SelfLoops::kKeep, SelfLoops::kDrop}) {
    const SortOptions options{.self_loops = loops};
    RowTileSorter one(context, code, options), other(context, code, options);
    RowTile from_edges, from_buckets;
    for (Index t = 0; t < tiles; ++t) {
      const TileStats a = one.sort(gathered.edges_of(t), gathered.weights_of(t), t, from_edges);
      const TileStats b = other.sort(buckets, t, from_buckets);
      expect_row_tile(from_edges, a, gathered, t, code, options);
      expect_row_tile(from_buckets, b, gathered, t, code, options);
      EXPECT_EQ(a.self_loops, b.self_loops);
      EXPECT_EQ(a.dropped_self_loops, b.dropped_self_loops);
      EXPECT_EQ(a.asymmetry[0], b.asymmetry[0]);
      EXPECT_EQ(a.asymmetry[1], b.asymmetry[1]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Tiling,
                         ::testing::Values(Case{16, 16}, Case{97, 4}, Case{1000, 1}, Case{4096, 8},
                                           Case{(Index{1} << 20) + 7, 64}));  // several buckets a row tile

template <class Key>
void expect_sorted(int key_bits) {
  const Key mask = key_bits == 64 ? ~Key{0} : static_cast<Key>((std::uint64_t{1} << key_bits) - 1);
  for (const std::size_t n : {0U, 1U, 2U, 31U, 33U, 500U, 600U, 3000U, 9000U}) {
    std::vector<Key> keys(n), spare(n);
    std::vector<detail::Weighted<Key>> items(n), room(n);
    for (std::size_t i = 0; i < n; ++i) {
      keys[i] = static_cast<Key>(random_word(i, 2)) & mask;
      if (i % 3 == 2) keys[i] = keys[i - 1];
      items[i] = {keys[i], static_cast<float>(i)};
    }
    auto sorted_keys = keys;
    auto sorted_items = items;
    std::sort(sorted_keys.begin(), sorted_keys.end());
    std::stable_sort(sorted_items.begin(), sorted_items.end(), [](auto a, auto b) { return a.key < b.key; });
    const Key* got_keys = detail::sort_items(keys.data(), spare.data(), n, key_bits);
    const auto* got_items = detail::sort_items(items.data(), room.data(), n, key_bits);
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_EQ(got_keys[i], sorted_keys[i]) << key_bits << ' ' << n;
      ASSERT_EQ(got_items[i].key, sorted_items[i].key) << key_bits << ' ' << n;
      ASSERT_EQ(got_items[i].weight, sorted_items[i].weight) << key_bits << ' ' << n;
    }
  }
}

TEST(TileSort, SortsKeysOfAnyLengthAndKeepsTheOrderOfEquals) {
  for (const int bits : {2, 16, 18, 24, 26, 28, 30, 32}) expect_sorted<std::uint32_t>(bits);
  for (const int bits : {26, 34, 40, 46, 64}) expect_sorted<std::uint64_t>(bits);
}

}  // namespace
}  // namespace opx::graph
