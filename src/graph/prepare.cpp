// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Pass 1 logs the edges (in memory, or in a temporary file beyond the budget) and counts degrees. Then the
// placement gives every vertex a position, and pass 2 takes the edges, as positions, a group of row tiles at
// a time: the group that fits the budget is parted by row tile, and each row tile is sorted on its own thread
// and written in order. Edges in memory are scanned once a group; edges in a file are first parted into one
// file a group.
#include "graph/prepare.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/timer.hpp"
#include "graph/edge_log.hpp"
#include "graph/edge_reader.hpp"
#include "graph/edge_sort.hpp"
#include "graph/feature_scatter.hpp"
#include "graph/order.hpp"
#include "graph/splits.hpp"
#include "graph/store_writer.hpp"

namespace opx::graph {
namespace {

constexpr Index kBytesPerVertex = 48;  // degrees, ids, positions, codes, sums, labels at their peak
constexpr Index kMostTiles = 256, kMostTilesLarge = 2048;
constexpr double kLogShare = 0.45;  // of the budget: the logged edges; the rest sorts them

// Lets tasks 0, 1, 2, ... through one after the other, whatever the order in which they arrive.
class Turnstile {
 public:
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
  Index next_ = 0;
  bool failed_ = false;
};

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
    const double start = base::now_seconds();
    read_edges();
    place();
    sort_edges();
    write_degrees();
    write_vertices();
    report_.seconds = base::now_seconds() - start;
    finish();
    report_.seconds = base::now_seconds() - start;
    return report_;
  }

 private:
  void report(std::string_view stage, double fraction) const {
    if (options_.progress) options_.progress(stage, fraction);
  }
  [[nodiscard]] Index n() const { return report_.vertices; }
  [[nodiscard]] Index chunk() const { return std::clamp<Index>(options_.memory / 512, 256, Index{1} << 20); }

  void read_edges();
  void settle_vertices(Index seen);
  void place();
  void map_to_codes();
  void sort_edges();
  void sort_in_memory(std::int64_t group_bytes);
  void sort_from_files(std::int64_t group_bytes);
  [[nodiscard]] std::vector<Range> cut_groups(std::int64_t group_bytes) const;
  void sort_group(const RowTileEdges& group);
  void take(Index row_tile, const RowTile& tile, const TileStats& stats);
  void add_sums(Index row_tile, const RowTile& tile);
  void write_degrees();
  void write_vertices();
  void write_labels();
  void check_labels();
  void finish();
  template <class T>
  [[nodiscard]] std::vector<T> in_position_order(const std::vector<T>& by_id) const;

  device::Context& context_;
  RawDataset input_;
  const PrepareOptions& options_;
  StoreWriter writer_;
  std::filesystem::path folder_;
  bool mirror_;
  PrepareReport report_;
  StoreInfo info_;
  TileStats stats_;
  ReadEdges read_;
  std::vector<Index> original_;          // by position
  std::vector<std::uint32_t> position_;  // by original id
  std::vector<Index> row_tile_entries_;  // upper bounds
  std::optional<TileCode> code_;
  std::vector<std::uint32_t> row_counts_, col_counts_;
  std::vector<double> row_sums_, col_sums_;  // weighted graphs only
  std::vector<std::uint8_t> diagonal_;
};

void Preparer::read_edges() {
  OPX_REQUIRE(options_.memory > 0, InvalidArgument, "a memory budget of {} bytes", options_.memory);
  OPX_REQUIRE(input_.edges != nullptr, InvalidArgument, "{}: has no edges", input_.name);
  const std::int64_t vertex_bytes = input_.vertices.value_or(0) * kBytesPerVertex;
  const ReadOptions options{
      .force_weights = options_.duplicates == Duplicates::kSum,
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
  if (!input_.vertices) {
    count = std::max(count, static_cast<Index>(std::max(input_.labels.labels.size(), input_.splits.size())));
    if (input_.labels.classes > 0)
      count = std::max(count, static_cast<Index>(input_.labels.targets.size()) / input_.labels.classes);
    if (input_.names) count = std::max(count, static_cast<Index>(input_.names->size()));
  }
  report_.vertices = count;
  read_.in.resize(static_cast<std::size_t>(count)), read_.out.resize(static_cast<std::size_t>(count));
  const std::int64_t need = count * kBytesPerVertex;
  OPX_REQUIRE(need <= options_.memory || count <= 4096, ResourceError,
              "{} vertices take about {} while they are prepared; the memory budget is {}",
              base::format_count(count), base::format_bytes(static_cast<double>(need)),
              base::format_bytes(static_cast<double>(options_.memory)));
  check_labels();
}

void Preparer::check_labels() {
  LabelData& l = input_.labels;
  const auto fits = [&](std::size_t got, Index want, const char* what) {
    if (static_cast<Index>(got) != want)
      throw base::FormatError(input_.name, "", fmt::format("{} {} for {} vertices", got, what, n()));
  };
  if (!input_.splits.empty()) fits(input_.splits.size(), n(), "splits");
  if (input_.names && !input_.names->empty()) fits(input_.names->size(), n(), "names");
  if (l.task == Task::kMultiClass) {
    fits(l.labels.size(), n(), "labels");
    const std::int32_t most = l.labels.empty() ? -1 : *std::max_element(l.labels.begin(), l.labels.end());
    if (l.classes == 0) l.classes = Index{most} + 1;
    const auto bad = std::find_if(l.labels.begin(), l.labels.end(),
                                  [&](std::int32_t x) { return x < -1 || x >= l.classes; });
    if (bad != l.labels.end())
      throw base::FormatError(input_.name, fmt::format("vertex {}", bad - l.labels.begin()),
                              fmt::format("label {} is not among {} classes", *bad, l.classes));
  } else if (l.task == Task::kMultiLabel) {
    OPX_REQUIRE(l.classes > 0, InvalidArgument, "{}: multi-label targets of no tasks", input_.name);
    fits(l.targets.size(), n() * l.classes, "targets");
    const auto bad = std::find_if(l.targets.begin(), l.targets.end(),
                                  [](float t) { return !std::isnan(t) && t != 0.0F && t != 1.0F; });
    if (bad != l.targets.end())
      throw base::FormatError(input_.name, fmt::format("vertex {}", (bad - l.targets.begin()) / l.classes),
                              fmt::format("target {} is neither 0 nor 1", *bad));
  }
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
  const std::int64_t left =
      options_.memory - n() * kBytesPerVertex - (read_.log->in_memory() ? read_.log->size() * 8 : 0);
  const std::vector<Index> rank =
      rank_vertices(context_, *read_.log, n(), {options_.order, blocks, options_.seed, left});
  std::vector<std::int32_t> degrees;
  if (options_.deal == layout::Deal::kDegree) {
    degrees.resize(static_cast<std::size_t>(n()));
    constexpr Index kMost = std::numeric_limits<std::int32_t>::max();
    for (std::size_t v = 0; v < degrees.size(); ++v)
      degrees[v] = static_cast<std::int32_t>(std::min(kMost, Index{read_.in[v]} + Index{read_.out[v]}));
  }
  const std::vector<std::int32_t> block_of =
      layout::deal_vertices(options_.deal, n(), blocks, options_.seed, degrees);
  original_ = layout::positions_from_deal(block_of, blocks, rank);
  position_.resize(static_cast<std::size_t>(n()));
  for (std::size_t p = 0; p < original_.size(); ++p)
    position_[static_cast<std::size_t>(original_[p])] = static_cast<std::uint32_t>(p);
  info_.tiles_per_side = choose_tiles(n(), blocks, report_.input_edges * (mirror_ ? 2 : 1));
  code_.emplace(n(), info_.tiles_per_side);
  row_tile_entries_.assign(static_cast<std::size_t>(info_.tiles_per_side), 0);
  for (Index t = 0; t < info_.tiles_per_side; ++t) {
    const Range r = even_range(n(), info_.tiles_per_side, t);
    for (Index p = r.begin; p < r.end; ++p) {
      const auto v = static_cast<std::size_t>(original_[static_cast<std::size_t>(p)]);
      row_tile_entries_[static_cast<std::size_t>(t)] +=
          Index{read_.in[v]} + (mirror_ ? Index{read_.out[v]} : 0);
    }
  }
  read_.in = {}, read_.out = {};
  report("place vertices", 1);
}

// From now on the edges in memory are codes of positions instead of original ids.
class Recode {
 public:
  Recode(const std::vector<std::uint32_t>& position, const TileCode& code) : code_of_(position.size()) {
    std::vector<std::uint32_t> of_position(position.size());
    for (Index t = 0; t < code.tiles; ++t) {
      const Range r = even_range(code.vertices, code.tiles, t);
      for (Index p = r.begin; p < r.end; ++p)
        of_position[static_cast<std::size_t>(p)] =
            static_cast<std::uint32_t>((t << code.local_bits) + p - r.begin);
    }
    for (std::size_t v = 0; v < position.size(); ++v) code_of_[v] = of_position[position[v]];
  }
  void apply(std::span<std::uint64_t> edges) const {
    for (std::uint64_t& e : edges) e = pack_edge(code_of_[dst_of(e)], code_of_[src_of(e)]);
  }

 private:
  std::vector<std::uint32_t> code_of_;
};

// Neighbouring row tiles whose edges fit the budget together.
std::vector<Range> Preparer::cut_groups(std::int64_t group_bytes) const {
  const std::int64_t entry = read_.log->weighted() ? 12 : 8;
  std::vector<Range> groups;
  Index held = 0;
  for (Index t = 0; t < info_.tiles_per_side; ++t) {
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
                base::format_bytes(static_cast<double>(options_.memory)));
  }
  return groups;
}

void Preparer::sort_edges() {
  report("sort edges", 0);
  const bool weighted = read_.log->weighted();
  const Index most = std::accumulate(row_tile_entries_.begin(), row_tile_entries_.end(), Index{0});
  writer_.begin_edges(n(), info_.tiles_per_side, weighted, most);
  row_counts_.assign(static_cast<std::size_t>(n()), 0), col_counts_.assign(static_cast<std::size_t>(n()), 0);
  diagonal_.assign(static_cast<std::size_t>(n()), 0);
  if (weighted)
    row_sums_.assign(static_cast<std::size_t>(n()), 0), col_sums_.assign(static_cast<std::size_t>(n()), 0);
  const std::int64_t left = options_.memory - n() * kBytesPerVertex;
  const std::int64_t logged = read_.log->size() * (weighted ? 12 : 8);
  // Of what a group may take, about a sixth goes to the row tiles in work.
  if (read_.log->in_memory())
    sort_in_memory((left - logged) * 4 / 5);
  else
    sort_from_files(left * 2 / 5);
  read_.log.reset();
}

void Preparer::sort_in_memory(std::int64_t group_bytes) {
  {
    const Recode recode(position_, *code_);
    context_.parallel_for(read_.log->chunks(), [&](Index c) {
      EdgeLog::Scratch unused;
      recode.apply(read_.log->load(c, unused).edges);
    });
  }
  for (const Range group : cut_groups(group_bytes))
    sort_group(gather_row_tiles(context_, *read_.log, *code_, mirror_, group));
}

void Preparer::sort_from_files(std::int64_t group_bytes) {
  const std::vector<Range> groups = cut_groups(group_bytes);
  std::vector<std::size_t> group_of(static_cast<std::size_t>(info_.tiles_per_side));
  std::vector<EdgeLog> parts;
  const Index part_chunk =
      std::clamp<Index>(options_.memory / 128 / static_cast<Index>(groups.size()), 256, Index{1} << 18);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    parts.emplace_back(context_, EdgeLogOptions{read_.log->weighted(), part_chunk, 0, folder_});
    std::fill(group_of.begin() + groups[g].begin, group_of.begin() + groups[g].end, g);
  }
  {
    const Recode recode(position_, *code_);
    EdgeLog::Scratch scratch;
    for (Index c = 0; c < read_.log->chunks(); ++c) {
      const EdgeLog::View view = read_.log->load(c, scratch);
      recode.apply(view.edges);
      for (std::size_t i = 0; i < view.edges.size(); ++i) {
        const std::uint64_t e = view.edges[i];
        const float w = view.weights.empty() ? 0.0F : view.weights[i];
        parts[group_of[code_->tile(dst_of(e))]].append(e, w);
        if (mirror_ && dst_of(e) != src_of(e))
          parts[group_of[code_->tile(src_of(e))]].append(pack_edge(src_of(e), dst_of(e)), w);
      }
      report("part edges", static_cast<double>(c + 1) / static_cast<double>(read_.log->chunks()));
    }
  }
  for (auto& p : parts) p.close();
  for (std::size_t g = 0; g < groups.size(); ++g) {
    sort_group(gather_row_tiles(context_, parts[g], *code_, false, groups[g]));
    parts[g] = EdgeLog(context_, {});
  }
}

void Preparer::sort_group(const RowTileEdges& group) {
  const SortOptions options{options_.self_loops, options_.duplicates, !mirror_};
  Turnstile turn;
  context_.parallel_for(group.tiles.size(), [&](Index i) {
    try {
      const Index t = group.tiles.begin + i;
      const auto begin = static_cast<std::size_t>(group.start[static_cast<std::size_t>(i)]);
      const auto count = static_cast<std::size_t>(group.start[static_cast<std::size_t>(i) + 1]) - begin;
      RowTile tile;
      const TileStats stats = sort_row_tile(
          group.edges.span().subspan(begin, count),
          group.weights.empty() ? std::span<const float>{} : group.weights.span().subspan(begin, count), t,
          *code_, options, tile);
      if (!turn.wait(i)) return;
      take(t, tile, stats);
      turn.done();
    } catch (...) {
      turn.fail();
      throw;
    }
  });
}

// One row tile at a time, in order.
void Preparer::take(Index row_tile, const RowTile& tile, const TileStats& stats) {
  stats_.self_loops += stats.self_loops;
  stats_.dropped_self_loops += stats.dropped_self_loops;
  stats_.duplicates += stats.duplicates;
  for (int i = 0; i < 2; ++i) stats_.asymmetry[i] += stats.asymmetry[i];
  add_sums(row_tile, tile);
  writer_.add_row_tile(tile);
  report("sort edges", static_cast<double>(row_tile + 1) / static_cast<double>(info_.tiles_per_side));
}

void Preparer::add_sums(Index row_tile, const RowTile& tile) {
  const auto row_base = static_cast<std::size_t>(even_range(n(), info_.tiles_per_side, row_tile).begin);
  const auto add = [&](const auto& rows, const auto& cols) {
    std::size_t i = 0;
    for (std::size_t t = 0; t < tile.counts.size(); ++t) {
      const auto col_base =
          static_cast<std::size_t>(even_range(n(), info_.tiles_per_side, static_cast<Index>(t)).begin);
      for (const std::size_t end = i + static_cast<std::size_t>(tile.counts[t]); i < end; ++i) {
        const std::size_t r = row_base + rows[i], c = col_base + cols[i];
        ++row_counts_[r];
        ++col_counts_[c];
        if (r == c) diagonal_[r] = 1;
        if (!tile.values.empty()) row_sums_[r] += tile.values[i], col_sums_[c] += tile.values[i];
      }
    }
  };
  code_->wide() ? add(tile.wide_rows, tile.wide_cols) : add(tile.narrow_rows, tile.narrow_cols);
}

void Preparer::write_degrees() {
  const auto to_float = [&](const std::vector<std::uint32_t>& counts, const std::vector<double>& sums) {
    return sums.empty() ? std::vector<float>(counts.begin(), counts.end())
                        : std::vector<float>(sums.begin(), sums.end());
  };
  writer_.write_degrees(to_float(row_counts_, row_sums_), to_float(col_counts_, col_sums_));
  writer_.write_self_loops(diagonal_);
  for (std::size_t p = 0; p < row_counts_.size(); ++p) {
    report_.isolated += row_counts_[p] == 0 && col_counts_[p] == 0;
    report_.max_degree = std::max(report_.max_degree, Index{row_counts_[p]});
    report_.stored_edges += row_counts_[p];
  }
  row_counts_ = {}, col_counts_ = {}, row_sums_ = {}, col_sums_ = {}, diagonal_ = {};
}

template <class T>
std::vector<T> Preparer::in_position_order(const std::vector<T>& by_id) const {
  std::vector<T> out(by_id.size());
  for (std::size_t p = 0; p < original_.size(); ++p) out[p] = by_id[static_cast<std::size_t>(original_[p])];
  return out;
}

void Preparer::write_labels() {
  const LabelData& l = input_.labels;
  info_.task = l.task;
  info_.classes = l.task == Task::kNone ? 0 : l.classes;
  if (l.task == Task::kMultiClass) writer_.write_labels(in_position_order(l.labels));
  if (l.task != Task::kMultiLabel) return;
  std::vector<float> targets(l.targets.size());
  for (std::size_t p = 0; p < original_.size(); ++p)
    std::copy_n(l.targets.begin() + original_[p] * l.classes, l.classes,
                targets.begin() + static_cast<Index>(p) * l.classes);
  writer_.write_targets(targets, l.classes);
}

void Preparer::write_vertices() {
  report("write vertices", 0);
  writer_.write_original_ids(original_);
  write_labels();
  std::vector<Split> splits = std::move(input_.splits);
  if (!options_.split.empty()) {
    OPX_REQUIRE(input_.labels.task != Task::kNone, InvalidArgument,
                "a split of labelled vertices was asked for, but '{}' has no labels", input_.name);
    splits =
        draw_splits(labelled_vertices(input_.labels, n()), parse_split(options_.split), options_.split_seed);
  }
  splits.resize(static_cast<std::size_t>(n()), Split::kNone);
  info_.train = std::count(splits.begin(), splits.end(), Split::kTrain);
  info_.valid = std::count(splits.begin(), splits.end(), Split::kValid);
  info_.test = std::count(splits.begin(), splits.end(), Split::kTest);
  writer_.write_splits(in_position_order(splits));
  if (input_.names && !input_.names->empty()) writer_.write_names(*input_.names);
  if (input_.features)
    scatter_features(context_, *input_.features, position_, writer_,
                     {options_.feature_type, options_.memory - n() * kBytesPerVertex, folder_,
                      [this](double f) { report("write features", f); }});
}

void Preparer::finish() {
  report("finish", 0);
  report_.self_loops = stats_.self_loops;
  report_.dropped_self_loops = stats_.dropped_self_loops;
  report_.duplicates = stats_.duplicates;
  info_.name = input_.name;
  info_.metric = input_.metric;
  info_.self_loops = stats_.self_loops;
  info_.symmetric = mirror_ || (stats_.asymmetry[0] == 0 && stats_.asymmetry[1] == 0);
  info_.deal = options_.deal, info_.order = options_.order, info_.seed = options_.seed;
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
  info_.provenance = provenance.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  report_.checksum = writer_.finish(info_);
  report("finish", 1);
}

}  // namespace

PrepareReport prepare(device::Context& context, RawDataset&& input, const std::filesystem::path& output,
                      const PrepareOptions& options) {
  return Preparer(context, std::move(input), output, options).run();
}

}  // namespace opx::graph
