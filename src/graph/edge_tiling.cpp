// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Three ways, by what the budget holds:
//   - edges in memory without weights: parted by tile once, in their own memory (EdgeBuckets);
//   - other edges in memory: a group of row tiles at a time that fits beside them, scanned once a group;
//   - edges in a file: first parted into one file a group.
// Then each row tile is sorted on its own thread and written in order.
#include "graph/edge_tiling.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"

namespace opx::graph {
namespace {

// Lets tasks 0, 1, 2, ... through one after the other, whatever the order in which they arrive.
class Turnstile {
 public:
  explicit Turnstile(Index first) : next_(first) {}
  // False if an earlier task failed.
  bool wait(Index i) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return next_ == i || failed_; });
    return !failed_;
  }
  void done() {
    const std::lock_guard lock(mutex_);
    ++next_;
    changed_.notify_all();
  }
  void fail() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  Index next_;
  bool failed_ = false;
};

}  // namespace

EdgeTiling::EdgeTiling(device::Context& context, EdgeLog& log, const TileCode& code,
                       std::span<const Index> row_tile_entries, StoreWriter& writer, TilingOptions options)
    : context_(context),
      log_(log),
      code_(code),
      row_tile_entries_(row_tile_entries),
      writer_(writer),
      options_(std::move(options)),
      symmetric_pattern_(options_.mirror && !log.weighted()) {
  const auto n = static_cast<std::size_t>(code.vertices);
  sums_.row_counts.resize(n);
  sums_.self_loops.resize(n);
  if (!symmetric_pattern_) sums_.col_counts.resize(n);
  if (log.weighted()) sums_.row_sums.resize(n), sums_.col_sums.resize(n);
}

void EdgeTiling::run(std::span<const std::uint32_t> position) {
  report("sort edges", 0);
  const Index most = std::accumulate(row_tile_entries_.begin(), row_tile_entries_.end(), Index{0});
  writer_.begin_edges(code_.vertices, code_.tiles, log_.weighted(), most);
  const VertexCodes codes(position, code_);
  if (log_.in_memory())
    sort_in_memory(codes, options_.memory - log_.size() * (log_.weighted() ? 12 : 8));
  else
    sort_from_files(codes, options_.memory * 2 / 5);
  if (symmetric_pattern_) sums_.col_counts = sums_.row_counts;
}

// Neighbouring row tiles whose edges fit the budget together.
std::vector<Range> EdgeTiling::cut_groups(std::int64_t group_bytes) const {
  const std::int64_t entry = log_.weighted() ? 12 : 8;
  std::vector<Range> groups;
  Index held = 0;
  for (Index t = 0; t < code_.tiles; ++t) {
    const Index bytes = row_tile_entries_[static_cast<std::size_t>(t)] * entry;
    if (groups.empty() || held + bytes > group_bytes) {
      groups.push_back({t, t});
      held = 0;
    }
    groups.back().end = t + 1;
    held += bytes;
    // A tile of few vertices may be over a tiny budget by the grain of everything else; a real one is
    // refused.
    OPX_REQUIRE(bytes <= std::max<Index>(group_bytes, Index{1} << 20), ResourceError,
                "{} edges of one row tile take {}, more than the {} that the memory budget of {} leaves; "
                "raise it, or take deal=degree",
                base::format_count(bytes / entry), base::format_bytes(static_cast<double>(bytes)),
                base::format_bytes(static_cast<double>(group_bytes)),
                base::format_bytes(static_cast<double>(options_.total_memory)));
  }
  return groups;
}

void EdgeTiling::sort_in_memory(const VertexCodes& codes, std::int64_t left) {
  const auto shape = log_.weighted() ? std::nullopt : BucketShape::fit(code_, context_.threads(), left / 4);
  if (shape) {
    const EdgeBuckets buckets(context_, log_, codes, code_, *shape, options_.mirror);
    return sort_row_tiles({0, code_.tiles}, [&](RowTileSorter& sorter, Index t, RowTile& out) {
      return sorter.sort(buckets, t, out);
    });
  }
  context_.parallel_for(log_.chunks(), [&](Index c) {
    EdgeLog::Scratch unused;
    codes.apply(log_.load(c, unused).edges);
  });
  // Of what a group may take, about a sixth goes to the row tiles in work.
  for (const Range group : cut_groups(left * 4 / 5))
    sort_group(gather_row_tiles(context_, log_, code_, options_.mirror, group));
}

void EdgeTiling::sort_from_files(const VertexCodes& codes, std::int64_t group_bytes) {
  const std::vector<Range> groups = cut_groups(group_bytes);
  std::vector<EdgeLog> parts = part_into_files(codes, groups);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    sort_group(gather_row_tiles(context_, parts[g], code_, false, groups[g]));
    parts[g] = EdgeLog(context_, {});
  }
}

std::vector<EdgeLog> EdgeTiling::part_into_files(const VertexCodes& codes, std::span<const Range> groups) {
  std::vector<std::size_t> group_of(static_cast<std::size_t>(code_.tiles));
  std::vector<EdgeLog> parts;
  const Index chunk =
      std::clamp<Index>(options_.total_memory / 128 / std::ssize(groups), 256, Index{1} << 18);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    parts.emplace_back(context_, EdgeLogOptions{log_.weighted(), chunk, 0, options_.folder});
    std::fill(group_of.begin() + groups[g].begin, group_of.begin() + groups[g].end, g);
  }
  EdgeLog::Scratch scratch;
  for (Index c = 0; c < log_.chunks(); ++c) {
    const EdgeLog::View view = log_.load(c, scratch);
    codes.apply(view.edges);
    for (std::size_t i = 0; i < view.edges.size(); ++i) {
      const std::uint64_t e = view.edges[i];
      const float w = view.weights.empty() ? 0.0F : view.weights[i];
      parts[group_of[code_.tile(dst_of(e))]].append(e, w);
      if (options_.mirror && dst_of(e) != src_of(e))
        parts[group_of[code_.tile(src_of(e))]].append(pack_edge(src_of(e), dst_of(e)), w);
    }
    report("part edges", static_cast<double>(c + 1) / static_cast<double>(log_.chunks()));
  }
  for (auto& p : parts) p.close();
  return parts;
}

void EdgeTiling::sort_group(const RowTileEdges& group) {
  sort_row_tiles(group.tiles, [&](RowTileSorter& sorter, Index t, RowTile& out) {
    const Index i = t - group.tiles.begin;
    return sorter.sort(group.edges_of(i), group.weights_of(i), t, out);
  });
}

// Row tiles go to the threads in rising order, so that the one whose turn it is to be written is always in
// work.
template <class Sort>
void EdgeTiling::sort_row_tiles(Range tiles, Sort&& sort) {
  const SortOptions options{options_.self_loops, options_.duplicates, !options_.mirror};
  Turnstile turn(tiles.begin);
  std::atomic<Index> next{tiles.begin};
  context_.parallel_for(std::min<Index>(context_.threads(), tiles.size()), [&](Index) {
    try {
      RowTileSorter sorter(context_, code_, options);
      RowTile tile;
      for (Index t = next.fetch_add(1); t < tiles.end; t = next.fetch_add(1)) {
        const TileStats stats = sort(sorter, t, tile);
        if (!turn.wait(t)) return;
        take(t, tile, stats);
        turn.done();
      }
    } catch (...) {
      turn.fail();
      throw;
    }
  });
}

// One row tile at a time, in order.
void EdgeTiling::take(Index row_tile, const RowTile& tile, const TileStats& stats) {
  stats_.add(stats);
  const Range rows = even_range(code_.vertices, code_.tiles, row_tile);
  std::copy_n(tile.row_counts.begin(), rows.size(), sums_.row_counts.begin() + rows.begin);
  if (code_.wide())
    add_entries<std::uint32_t>(row_tile, tile, tile.wide_rows, tile.wide_cols);
  else
    add_entries<std::uint16_t>(row_tile, tile, tile.narrow_rows, tile.narrow_cols);
  writer_.add_row_tile(tile);
  report("sort edges", static_cast<double>(row_tile + 1) / static_cast<double>(code_.tiles));
}

template <class Id>
void EdgeTiling::add_entries(Index row_tile, const RowTile& tile, std::span<const Id> rows,
                             std::span<const Id> cols) {
  const auto begin_of = [&](Index t) {
    return static_cast<std::size_t>(even_range(code_.vertices, code_.tiles, t).begin);
  };
  const std::size_t row_base = begin_of(row_tile);
  std::size_t begin = 0;
  for (Index t = 0; t < code_.tiles; ++t) {
    const std::size_t end = begin + static_cast<std::size_t>(tile.counts[static_cast<std::size_t>(t)]);
    const std::size_t col_base = begin_of(t);
    if (t == row_tile)
      for (std::size_t i = begin; i < end; ++i)
        if (rows[i] == cols[i]) sums_.self_loops[row_base + rows[i]] = 1;
    if (!symmetric_pattern_)
      for (std::size_t i = begin; i < end; ++i) ++sums_.col_counts[col_base + cols[i]];
    if (!tile.values.empty())
      for (std::size_t i = begin; i < end; ++i) {
        sums_.row_sums[row_base + rows[i]] += tile.values[i];
        sums_.col_sums[col_base + cols[i]] += tile.values[i];
      }
    begin = end;
  }
}

}  // namespace opx::graph
