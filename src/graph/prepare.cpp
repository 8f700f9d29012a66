// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Pass 1 logs the edges (in memory, or in a temporary file beyond the budget) and counts degrees
// (edge_reader.hpp). Then the placement gives every vertex a position, and pass 2 turns the logged edges into
// sorted tiles (edge_tiling.hpp).
#include "graph/prepare.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/timer.hpp"
#include "graph/edge_log.hpp"
#include "graph/edge_reader.hpp"
#include "graph/edge_tiling.hpp"
#include "graph/feature_scatter.hpp"
#include "graph/order.hpp"
#include "graph/store_writer.hpp"
#include "graph/vertex_data.hpp"

namespace opx::graph {
namespace {

constexpr Index kBytesPerVertex = 48;  // degrees, ids, positions, codes, sums, labels at their peak
constexpr Index kMostTiles = 256, kMostTilesLarge = 2048;
constexpr double kLogShare = 0.45;  // of the budget: the logged edges; the rest sorts them

class Preparer {
 public:
  Preparer(device::Context& context, RawDataset&& input, const std::filesystem::path& output,
           const PrepareOptions& options)
      : context_(context),
        input_(std::move(input)),
        options_(options),
        writer_(output),
        folder_(options.temporary_folder.empty() ? output.parent_path() : options.temporary_folder),
        mirror_(options.add_inverse_edge || input_.stored_once) {}

  PrepareReport run() {
    const double begin = base::now_seconds(), start = options_.started > 0 ? options_.started : begin;
    if (begin > start) report_.phases.emplace_back("open input", begin - start);
    timed("read edges", [&] { read_edges(); });
    timed("place vertices", [&] { place(); });
    timed("sort edges", [&] { sort_edges(); });
    timed("write vertices", [&] { write_vertices(); });
    timed("finish", [&] { finish(); });
    report_.seconds = base::now_seconds() - start;
    return report_;
  }

 private:
  template <class Run>
  void timed(const char* phase, Run&& run) {
    const double start = base::now_seconds();
    run();
    report_.phases.emplace_back(phase, base::now_seconds() - start);
  }
  void report(std::string_view stage, double fraction) const {
    if (options_.progress) options_.progress(stage, fraction);
  }
  [[nodiscard]] Index n() const { return report_.vertices; }
  [[nodiscard]] Index chunk() const { return std::clamp<Index>(options_.memory / 512, 256, Index{1} << 20); }
  [[nodiscard]] std::int64_t memory_for_edges() const { return options_.memory - n() * kBytesPerVertex; }

  void read_edges();
  void settle_vertices(Index seen);
  void place();
  void bound_row_tiles();
  void sort_edges();
  void write_sums(const VertexSums& sums);
  void write_vertices();
  [[nodiscard]] std::string provenance() const;
  void finish();

  device::Context& context_;
  RawDataset input_;
  const PrepareOptions& options_;
  StoreWriter writer_;
  std::filesystem::path folder_;
  bool mirror_;
  PrepareReport report_;
  StoreInfo info_;
  ReadEdges read_;
  std::vector<Index> original_;          // by position
  std::vector<std::int32_t> part_;       // by original id; empty: none were asked for
  std::vector<std::uint32_t> position_;  // by original id
  std::vector<Index> row_tile_entries_;  // upper bounds
};

void Preparer::read_edges() {
  OPX_REQUIRE(options_.memory > 0, InvalidArgument, "a memory budget of {} bytes", options_.memory);
  OPX_REQUIRE(input_.edges != nullptr, InvalidArgument, "{}: has no edges", input_.name);
  const std::int64_t vertex_bytes = input_.vertices.value_or(0) * kBytesPerVertex;
  const ReadOptions options{
      .force_weights = options_.duplicates == Duplicates::kSum,
      .in_degrees = !mirror_,
      .memory = static_cast<std::int64_t>(
          kLogShare * static_cast<double>(std::max<Index>(0, options_.memory - vertex_bytes))),
      .chunk = chunk(),
      .folder = folder_,
      .progress = [this](double f) { report("read edges", f); }};
  read_ = read_all_edges(context_, *input_.edges, input_.vertices, input_.name, options);
  input_.edges.reset();
  report_.input_edges = read_.log->size();
  settle_vertices(read_.vertices);
}

// N, where the input does not say: all that the edges, labels, splits and names speak of.
void Preparer::settle_vertices(Index seen) {
  Index count = seen;
  if (!input_.vertices) count = std::max(count, described_vertices(input_));
  report_.vertices = count;
  read_.ends.resize(static_cast<std::size_t>(count));
  if (!mirror_) read_.in.resize(static_cast<std::size_t>(count));
  const std::int64_t need = count * kBytesPerVertex;
  OPX_REQUIRE(need <= options_.memory || count <= 4096, ResourceError,
              "{} vertices take about {} while they are prepared; the memory budget is {}",
              base::format_count(count), base::format_bytes(static_cast<double>(need)),
              base::format_bytes(static_cast<double>(options_.memory)));
  check_vertex_data(input_, count);
}

// The power of two that divides V, so that a tile never cuts a virtual block; enough tiles for 16-bit ids if
// it can be.
Index choose_tiles(Index vertices, Index virtual_blocks, Index edges) {
  Index most = 1;
  while (virtual_blocks % (2 * most) == 0) most *= 2;
  Index tiles = std::min(most, kMostTiles);
  while (tiles > 16 && edges / (tiles * tiles) < 16) tiles /= 2;
  while (tiles < std::min(most, kMostTilesLarge) && ceil_div(vertices, tiles) > 65536) tiles *= 2;
  return tiles;
}

void Preparer::place() {
  report("place vertices", 0);
  const Index blocks =
      options_.virtual_blocks > 0 ? options_.virtual_blocks : layout::default_virtual_blocks(n());
  OPX_REQUIRE(blocks <= std::max<Index>(n(), 1), InvalidArgument, "{} virtual blocks for {} vertices", blocks,
              n());
  info_.virtual_blocks = blocks;
  const std::int64_t left = memory_for_edges() - (read_.log->in_memory() ? read_.log->size() * 8 : 0);
  const std::vector<Index> rank =
      rank_vertices(context_, *read_.log, n(), {options_.order, blocks, options_.seed, left});
  if (options_.parts != 0) {
    report("part vertices", 0);
    info_.parts = options_.parts == kAutoParts ? auto_parts(n()) : options_.parts;
    part_ = partition_vertices(context_, *read_.log, n(), {info_.parts, options_.seed, left});
  }
  std::vector<std::int32_t> degrees;
  if (options_.deal == layout::Deal::kDegree) {
    degrees.resize(static_cast<std::size_t>(n()));
    constexpr std::uint32_t kMost = std::numeric_limits<std::int32_t>::max();
    for (std::size_t v = 0; v < degrees.size(); ++v)
      degrees[v] = static_cast<std::int32_t>(std::min(kMost, read_.ends[v]));
  }
  const std::vector<std::int32_t> block_of =
      layout::deal_vertices(options_.deal, n(), blocks, options_.seed, degrees, &context_);
  original_ = layout::positions_from_deal(block_of, blocks, rank);
  position_.resize(static_cast<std::size_t>(n()));
  for (std::size_t p = 0; p < original_.size(); ++p)
    position_[static_cast<std::size_t>(original_[p])] = static_cast<std::uint32_t>(p);
  info_.tiles_per_side = choose_tiles(n(), blocks, report_.input_edges * (mirror_ ? 2 : 1));
  bound_row_tiles();
  read_.ends = {}, read_.in = {};
  report("place vertices", 1);
}

void Preparer::bound_row_tiles() {
  row_tile_entries_.assign(static_cast<std::size_t>(info_.tiles_per_side), 0);
  for (Index t = 0; t < info_.tiles_per_side; ++t) {
    const Range r = even_range(n(), info_.tiles_per_side, t);
    for (Index p = r.begin; p < r.end; ++p) {
      const auto v = static_cast<std::size_t>(original_[static_cast<std::size_t>(p)]);
      row_tile_entries_[static_cast<std::size_t>(t)] += mirror_ ? read_.ends[v] : read_.in[v];
    }
  }
}

void Preparer::sort_edges() {
  const TileCode code(n(), info_.tiles_per_side);
  EdgeTiling tiling(context_, *read_.log, code, row_tile_entries_, writer_,
                    {.mirror = mirror_,
                     .self_loops = options_.self_loops,
                     .duplicates = options_.duplicates,
                     .memory = memory_for_edges(),
                     .folder = folder_,
                     .total_memory = options_.memory,
                     .progress = options_.progress});
  tiling.run(position_);
  read_.log.reset();
  const TileStats& stats = tiling.stats();
  report_.self_loops = info_.self_loops = stats.self_loops;
  report_.dropped_self_loops = stats.dropped_self_loops;
  report_.duplicates = stats.duplicates;
  info_.symmetric = mirror_ || (stats.asymmetry[0] == 0 && stats.asymmetry[1] == 0);
  if (input_.already_symmetric && !info_.symmetric)
    throw base::FormatError(
        input_.files.empty() ? input_.name : input_.files.front().path, "",
        fmt::format("some edges do not have the same entry in the other direction, as the "
                    "format {} has it",
                    input_.layout));
  write_sums(tiling.take_sums());
}

void Preparer::write_sums(const VertexSums& sums) {
  const auto to_float = [&](const std::vector<std::uint32_t>& counts, const std::vector<double>& weights) {
    return weights.empty() ? std::vector<float>(counts.begin(), counts.end())
                           : std::vector<float>(weights.begin(), weights.end());
  };
  writer_.write_degrees(to_float(sums.row_counts, sums.row_sums), to_float(sums.col_counts, sums.col_sums));
  writer_.write_self_loops(sums.self_loops);
  for (std::size_t p = 0; p < sums.row_counts.size(); ++p) {
    report_.isolated += sums.row_counts[p] == 0 && sums.col_counts[p] == 0;
    report_.max_degree = std::max(report_.max_degree, Index{sums.row_counts[p]});
    report_.stored_edges += sums.row_counts[p];
  }
}

void Preparer::write_vertices() {
  report("write vertices", 0);
  write_vertex_data(input_, original_, options_, writer_, info_);
  if (!part_.empty()) {
    std::vector<std::int32_t> parts(part_.size());
    for (std::size_t p = 0; p < parts.size(); ++p) parts[p] = part_[static_cast<std::size_t>(original_[p])];
    writer_.write_parts(parts);
  }
  if (input_.features)
    scatter_features(context_, *input_.features, position_, writer_,
                     {options_.feature_type, memory_for_edges(), folder_,
                      [this](double f) { report("write features", f); }});
}

std::string Preparer::provenance() const {
  nlohmann::json files = nlohmann::json::array();
  for (const auto& f : input_.files) files.push_back({{"path", f.path}, {"bytes", f.bytes}});
  const nlohmann::json provenance = {
      {"command", options_.command},
      {"layout", input_.layout},
      {"inputs", files},
      {"options",
       {{"add_inverse_edge", mirror_},
        {"self_loops", options_.self_loops == SelfLoops::kKeep ? "keep" : "drop"},
        {"duplicates", options_.duplicates == Duplicates::kMerge ? "merge" : "sum"},
        {"split", options_.split},
        {"split_seed", options_.split_seed}}},
      {"counts",
       {{"vertices", report_.vertices},
        {"input_edges", report_.input_edges},
        {"stored_edges", report_.stored_edges},
        {"self_loops", report_.self_loops},
        {"duplicates", report_.duplicates},
        {"dropped_self_loops", report_.dropped_self_loops},
        {"isolated", report_.isolated},
        {"max_degree", report_.max_degree}}}};
  return provenance.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void Preparer::finish() {
  report("finish", 0);
  info_.name = input_.name;
  info_.metric = input_.metric;
  info_.deal = options_.deal, info_.order = options_.order, info_.seed = options_.seed;
  info_.provenance = provenance();
  report_.checksum = writer_.finish(info_);
  report("finish", 1);
}

}  // namespace

PrepareReport prepare(device::Context& context, RawDataset&& input, const std::filesystem::path& output,
                      const PrepareOptions& options) {
  return Preparer(context, std::move(input), output, options).run();
}

}  // namespace opx::graph
