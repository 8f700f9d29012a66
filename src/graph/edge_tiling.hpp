// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Second pass over the edges: from the logged edges to the sorted tiles in the store, and the sums by vertex.
// Private to graph/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "device/context.hpp"
#include "graph/edge_gather.hpp"
#include "graph/edge_log.hpp"
#include "graph/row_tile_sort.hpp"
#include "graph/store_writer.hpp"
#include "graph/tile_code.hpp"

namespace opx::graph {

struct TilingOptions {
  bool mirror = false;  ///< the inverse of each edge too (of a self loop: none)
  SelfLoops self_loops = SelfLoops::kKeep;
  Duplicates duplicates = Duplicates::kMerge;
  std::int64_t memory = 0;                                                ///< bytes, the log's own included
  std::filesystem::path folder;                                           ///< of temporary files
  std::int64_t total_memory = 0;                                          ///< the whole budget, for messages
  std::function<void(std::string_view stage, double fraction)> progress;  ///< may be empty
};

/// What was learnt of the entries, by position.
struct VertexSums {
  std::vector<std::uint32_t> row_counts, col_counts;
  std::vector<double> row_sums, col_sums;  ///< of weights; empty without them
  std::vector<std::uint8_t> self_loops;    ///< 1 where there is one
};

class EdgeTiling {
 public:
  /// `log` holds original ids and is used up; `row_tile_entries` bounds the entries of each row tile
  /// (inverses included, duplicates too).
  EdgeTiling(device::Context& context, EdgeLog& log, const TileCode& code,
             std::span<const Index> row_tile_entries, StoreWriter& writer, TilingOptions options);

  /// Writes all tiles. `position` by original id. Throws ResourceError where a row tile does not fit the
  /// budget.
  void run(std::span<const std::uint32_t> position);
  [[nodiscard]] const TileStats& stats() const noexcept { return stats_; }
  [[nodiscard]] VertexSums take_sums() { return std::move(sums_); }

 private:
  void report(std::string_view stage, double fraction) const {
    if (options_.progress) options_.progress(stage, fraction);
  }
  [[nodiscard]] std::vector<Range> cut_groups(std::int64_t group_bytes) const;
  void sort_in_memory(const VertexCodes& codes, std::int64_t left);
  void sort_from_files(const VertexCodes& codes, std::int64_t group_bytes);
  [[nodiscard]] std::vector<EdgeLog> part_into_files(const VertexCodes& codes, std::span<const Range> groups);
  void sort_group(const RowTileEdges& group);
  template <class Sort>
  void sort_row_tiles(Range tiles, Sort&& sort);
  void take(Index row_tile, const RowTile& tile, const TileStats& stats);
  template <class Id>
  void add_entries(Index row_tile, const RowTile& tile, std::span<const Id> rows, std::span<const Id> cols);

  device::Context& context_;
  EdgeLog& log_;
  const TileCode code_;
  std::span<const Index> row_tile_entries_;
  StoreWriter& writer_;
  const TilingOptions options_;
  bool symmetric_pattern_;  // column counts are row counts
  TileStats stats_;
  VertexSums sums_;
};

}  // namespace opx::graph
