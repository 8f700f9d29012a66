// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/store.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "graph/half.hpp"
#include "graph/store_format.hpp"
#include "io/hdf5.hpp"

namespace opx::graph {
namespace {

using base::FormatError;

// Where the columns of one tile go in the answer of read_edges: the same shift for all, or a table (-1: not
// asked for).
struct ColumnMap {
  bool whole = false;
  std::int32_t shift = 0;
  std::vector<std::int32_t> table;
};

// Tiles [first, last) of a row tile, neighbours in the file.
struct TileRun {
  Index first, last;
};

// Entries of one row tile that were asked for, in the order of the tiles.
struct Picked {
  std::vector<std::int32_t> row, col;
  std::vector<float> value;
};

class StoreFile final : public Store {
 public:
  explicit StoreFile(const std::filesystem::path& path) : path_(path), file_(io::H5File::open(path)) {
    if (!file_.has_attribute("format") || file_.string_attribute("format") != format::kMagic)
      throw FormatError(path.string(), "", "is an HDF5 file, but not a prepared dataset (*.opx)");
    if (const auto v = file_.int_attribute("version"); v != format::kVersion)
      throw FormatError(path.string(), "",
                        fmt::format("is a store of version {}; this program reads {}", v, format::kVersion));
    read_info();
    open_parts();
    check_offsets();
  }

  [[nodiscard]] const StoreInfo& info() const noexcept override { return info_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept override { return path_; }

  [[nodiscard]] Edges read_edges(device::Context& context, Range rows,
                                 std::span<const Range> cols) const override;

  void read_features(Range rows, tensor::MatrixView<float> out) const override;

  void read_labels(Range rows, std::span<std::int32_t> out) const override {
    OPX_REQUIRE(info_.task == Task::kMultiClass, InvalidArgument, "{}: has no class labels", path_.string());
    check(rows, out.size());
    labels_.read(rows.begin, out);
    for (const std::int32_t l : out)
      if (l < -1 || l >= info_.classes)
        damaged(format::kLabels, fmt::format("label {} of {} classes", l, info_.classes));
  }

  void read_targets(Range rows, tensor::MatrixView<float> out) const override;

  void read_splits(Range rows, std::span<Split> out) const override {
    check(rows, out.size());
    splits_.read(rows.begin, std::span(reinterpret_cast<std::uint8_t*>(out.data()), out.size()));
    for (const Split s : out)
      if (s > Split::kTest) damaged(format::kSplits, fmt::format("split {}", static_cast<int>(s)));
  }

  void read_degrees(Range rows, std::span<float> row_sums, std::span<float> col_sums) const override {
    check(rows, row_sums.size());
    check(rows, col_sums.size());
    row_sums_.read(rows.begin, row_sums);
    col_sums_.read(rows.begin, col_sums);
  }

  void read_self_loops(Range rows, std::span<std::uint8_t> out) const override {
    check(rows, out.size());
    self_loops_.read(rows.begin, out);
  }

  void read_parts(Range rows, std::span<std::int32_t> out) const override {
    if (info_.parts == 0) Store::read_parts(rows, out);
    check(rows, out.size());
    parts_.read(rows.begin, out);
    for (const std::int32_t p : out)
      if (p < 0 || p >= info_.parts) damaged(format::kParts, fmt::format("part {} of {}", p, info_.parts));
  }

  void read_original_ids(Range rows, std::span<Index> out) const override {
    check(rows, out.size());
    original_ids_.read(rows.begin, out);
  }

  [[nodiscard]] std::optional<std::vector<std::string>> read_names(
      std::span<const Index> original) const override;

 private:
  void read_info();
  void open_parts();
  void check_offsets() const;
  [[nodiscard]] io::H5Dataset open_part(const char* name, io::H5Type type, std::vector<Index> shape) const;
  [[noreturn]] void damaged(const char* what, const std::string& why) const {
    throw FormatError(path_.string(), std::string("dataset '") + what + "'", why);
  }
  void check(Range rows, std::size_t out) const {
    OPX_REQUIRE(rows.begin >= 0 && rows.begin <= rows.end && rows.end <= info_.vertices, InvalidArgument,
                "{}: positions {} to {} of {}", path_.string(), rows.begin, rows.end, info_.vertices);
    OPX_REQUIRE(static_cast<Index>(out) == rows.size(), DimensionMismatch,
                "{}: {} positions into {} elements", path_.string(), rows.size(), out);
  }

  // read_edges in pieces
  [[nodiscard]] Range tile_range(Index tile) const {
    return even_range(info_.vertices, info_.tiles_per_side, tile);
  }
  [[nodiscard]] Index offset(Index row_tile, Index col_tile) const {
    return tile_offsets_[static_cast<std::size_t>(row_tile * info_.tiles_per_side + col_tile)];
  }
  [[nodiscard]] std::vector<ColumnMap> map_columns(std::span<const Range> cols) const;
  template <class Id>
  void pick(Index row_tile, Range rows, const std::vector<ColumnMap>& maps, const std::vector<TileRun>& runs,
            Picked& out) const;
  void pick_any(Index row_tile, Range rows, const std::vector<ColumnMap>& maps,
                const std::vector<TileRun>& runs, Picked& out) const {
    wide_ ? pick<std::uint32_t>(row_tile, rows, maps, runs, out)
          : pick<std::uint16_t>(row_tile, rows, maps, runs, out);
  }
  void place(Range rows, Index row_tile, const Picked& picked, Index at, Edges& out) const;

  std::filesystem::path path_;
  io::H5File file_;
  StoreInfo info_;
  bool wide_ = false;
  std::vector<Index> tile_offsets_;
  io::H5Dataset rows_, cols_, values_, features_, labels_, targets_, splits_, row_sums_, col_sums_,
      self_loops_, original_ids_, parts_;
};

void StoreFile::read_info() {
  const auto number = [&](const char* key, std::int64_t low, std::int64_t high) {
    const std::int64_t n = file_.int_attribute(key);
    if (n < low || n > high)
      throw FormatError(path_.string(), "", fmt::format("attribute '{}' is {}", key, n));
    return n;
  };
  constexpr std::int64_t kAny = std::numeric_limits<std::int64_t>::max();
  info_.name = file_.string_attribute("name");
  info_.vertices = number("vertices", 0, std::numeric_limits<std::int32_t>::max());
  info_.edges = number("edges", 0, kAny);
  info_.self_loops = number("self_loops", 0, info_.vertices);
  info_.symmetric = number("symmetric", 0, 1) != 0;
  info_.weighted = number("weighted", 0, 1) != 0;
  info_.feature_dim = number("feature_dim", 0, kAny);
  info_.feature_type = static_cast<FeatureType>(number("feature_type", 0, 2));
  info_.task = static_cast<Task>(number("task", 0, 2));
  info_.classes = number("classes", 0, kAny);
  info_.metric = file_.string_attribute("metric");
  info_.train = number("train", 0, info_.vertices);
  info_.valid = number("valid", 0, info_.vertices);
  info_.test = number("test", 0, info_.vertices);
  info_.virtual_blocks = number("virtual_blocks", 1, kAny);
  info_.tiles_per_side = number("tiles_per_side", 1, 65536);
  info_.deal = layout::parse_deal(file_.string_attribute("deal"));
  info_.order = layout::parse_order(file_.string_attribute("order"));
  info_.seed = static_cast<std::uint64_t>(file_.int_attribute("seed"));
  if (file_.has_attribute("parts"))  // stores made before there were any have none
    info_.parts = number("parts", 0, std::max<Index>(info_.vertices, 1));
  info_.checksum = file_.string_attribute("checksum");
  info_.provenance = file_.string_attribute("provenance");
}

io::H5Dataset StoreFile::open_part(const char* name, io::H5Type type, std::vector<Index> shape) const {
  io::H5Dataset d = file_.dataset(name);
  if (d.type() != type) damaged(name, fmt::format("holds {}, not {}", io::name(d.type()), io::name(type)));
  if (d.shape() != shape)
    damaged(name, fmt::format("has {} rows of {}, not {} of {}", d.rows(), d.row_size(), shape[0],
                              shape.size() < 2 ? 1 : shape[1]));
  return d;
}

void StoreFile::open_parts() {
  const Index n = info_.vertices, t = info_.tiles_per_side;
  wide_ = ceil_div(n, t) > format::kNarrowTile;
  const io::H5Type ids = wide_ ? io::H5Type::kUint32 : io::H5Type::kUint16;
  rows_ = open_part(format::kRows, ids, {info_.edges});
  cols_ = open_part(format::kCols, ids, {info_.edges});
  if (info_.weighted) values_ = open_part(format::kValues, io::H5Type::kFloat32, {info_.edges});
  constexpr std::array kTypes{io::H5Type::kFloat32, io::H5Type::kFloat16, io::H5Type::kBfloat16};
  if (info_.feature_dim > 0)
    features_ = open_part(format::kFeatures, kTypes[static_cast<std::size_t>(info_.feature_type)],
                          {n, info_.feature_dim});
  if (info_.task == Task::kMultiClass) labels_ = open_part(format::kLabels, io::H5Type::kInt32, {n});
  if (info_.task == Task::kMultiLabel)
    targets_ = open_part(format::kTargets, io::H5Type::kUint8, {n, info_.classes});
  splits_ = open_part(format::kSplits, io::H5Type::kUint8, {n});
  row_sums_ = open_part(format::kRowSums, io::H5Type::kFloat32, {n});
  col_sums_ = open_part(format::kColSums, io::H5Type::kFloat32, {n});
  self_loops_ = open_part(format::kSelfLoops, io::H5Type::kUint8, {n});
  if (info_.parts > 0) parts_ = open_part(format::kParts, io::H5Type::kInt32, {n});
  original_ids_ = open_part(format::kOriginalIds, io::H5Type::kInt64, {n});
  const io::H5Dataset offsets = open_part(format::kTileOffsets, io::H5Type::kInt64, {t * t + 1});
  tile_offsets_.resize(static_cast<std::size_t>(t * t + 1));
  offsets.read(0, std::span<Index>(tile_offsets_));
}

void StoreFile::check_offsets() const {
  if (tile_offsets_.front() != 0 || tile_offsets_.back() != info_.edges ||
      !std::is_sorted(tile_offsets_.begin(), tile_offsets_.end()))
    damaged(format::kTileOffsets, fmt::format("does not rise from 0 to {}", info_.edges));
}

std::vector<ColumnMap> StoreFile::map_columns(std::span<const Range> cols) const {
  std::vector<ColumnMap> maps(static_cast<std::size_t>(info_.tiles_per_side));
  std::size_t next = 0;  // the first range that ends behind the tile's begin
  Index before = 0;      // columns in the ranges ahead of it
  for (Index t = 0; t < info_.tiles_per_side; ++t) {
    const Range tile = tile_range(t);
    while (next < cols.size() && cols[next].end <= tile.begin) before += cols[next++].size();
    ColumnMap& map = maps[static_cast<std::size_t>(t)];
    if (next < cols.size() && cols[next].begin <= tile.begin && cols[next].end >= tile.end) {
      map.whole = true;
      map.shift = static_cast<std::int32_t>(before + tile.begin - cols[next].begin);
      continue;
    }
    Index at = before;
    for (std::size_t i = next; i < cols.size() && cols[i].begin < tile.end; at += cols[i++].size()) {
      const Range part{std::max(cols[i].begin, tile.begin), std::min(cols[i].end, tile.end)};
      if (part.size() <= 0) continue;
      map.table.resize(static_cast<std::size_t>(tile.size()), -1);
      std::iota(map.table.begin() + (part.begin - tile.begin), map.table.begin() + (part.end - tile.begin),
                static_cast<std::int32_t>(at + part.begin - cols[i].begin));
    }
  }
  return maps;
}

std::vector<TileRun> runs_of(const std::vector<ColumnMap>& maps) {
  std::vector<TileRun> runs;
  for (Index t = 0; t < static_cast<Index>(maps.size()); ++t) {
    const ColumnMap& m = maps[static_cast<std::size_t>(t)];
    if (!m.whole && m.table.empty()) continue;
    if (!runs.empty() && runs.back().last == t)
      ++runs.back().last;
    else
      runs.push_back({t, t + 1});
  }
  return runs;
}

// Entries [begin, end) of the file, as read.
template <class Id>
struct RawEntries {
  Index begin = 0;
  std::vector<Id> row, col;
  std::vector<float> value;
};

// Appends entries i..end of one tile that are asked for; gives how many.
template <class Id>
std::size_t keep(const RawEntries<Id>& raw, std::size_t i, std::size_t end, Range rows, const ColumnMap& map,
                 bool whole_rows, std::size_t at, Picked& out) {
  std::int32_t *row = out.row.data() + at, *col = out.col.data() + at;
  if (map.whole && whole_rows) {
    const std::size_t n = end - i;
    for (std::size_t k = 0; k < n; ++k) row[k] = static_cast<std::int32_t>(raw.row[i + k]);
    for (std::size_t k = 0; k < n; ++k) col[k] = static_cast<std::int32_t>(raw.col[i + k]) + map.shift;
    if (!raw.value.empty()) std::copy_n(raw.value.data() + i, n, out.value.data() + at);
    return n;
  }
  std::size_t n = 0;
  for (; i < end; ++i) {
    const auto r = static_cast<Index>(raw.row[i]);
    const std::int32_t to =
        map.whole ? static_cast<std::int32_t>(raw.col[i]) + map.shift : map.table[raw.col[i]];
    row[n] = static_cast<std::int32_t>(r), col[n] = to;
    if (!raw.value.empty()) out.value[at + n] = raw.value[i];
    n += rows.contains(r) && to >= 0;
  }
  return n;
}

template <class Id>
void StoreFile::pick(Index row_tile, Range rows, const std::vector<ColumnMap>& maps,
                     const std::vector<TileRun>& runs, Picked& out) const {
  const Range tile = tile_range(row_tile);
  const Range local{rows.begin - tile.begin, rows.end - tile.begin};
  const bool whole_rows = local.begin <= 0 && local.end >= tile.size();
  std::size_t most = 0, at = 0;
  for (const TileRun run : runs)
    most += static_cast<std::size_t>(offset(row_tile, run.last) - offset(row_tile, run.first));
  out.row.resize(most), out.col.resize(most), out.value.resize(info_.weighted ? most : 0);
  RawEntries<Id> raw;
  for (const TileRun run : runs) {
    raw.begin = offset(row_tile, run.first);
    const auto n = static_cast<std::size_t>(offset(row_tile, run.last) - raw.begin);
    raw.row.resize(n), raw.col.resize(n), raw.value.resize(info_.weighted ? n : 0);
    rows_.read(raw.begin, std::span(raw.row));
    cols_.read(raw.begin, std::span(raw.col));
    if (info_.weighted) values_.read(raw.begin, std::span(raw.value));
    for (Index t = run.first; t < run.last; ++t) {
      const auto i = static_cast<std::size_t>(offset(row_tile, t) - raw.begin);
      const auto end = static_cast<std::size_t>(offset(row_tile, t + 1) - raw.begin);
      const auto height = static_cast<std::uint64_t>(tile.size()),
                 width = static_cast<std::uint64_t>(tile_range(t).size());
      bool outside = false;
      for (std::size_t k = i; k < end; ++k) outside |= (raw.row[k] >= height) | (raw.col[k] >= width);
      if (outside)
        damaged(format::kRows, fmt::format("tile ({}, {}) has entries outside of it", row_tile, t));
      at += keep(raw, i, end, local, maps[static_cast<std::size_t>(t)], whole_rows, at, out);
    }
  }
  out.row.resize(at), out.col.resize(at), out.value.resize(info_.weighted ? at : 0);
}

// Tiles come column by column: a stable counting sort by row makes one sorted list of them.
void StoreFile::place(Range rows, Index row_tile, const Picked& picked, Index at, Edges& out) const {
  const Range tile = tile_range(row_tile);
  std::vector<Index> next(static_cast<std::size_t>(tile.size()) + 1, 0);
  for (const std::int32_t r : picked.row) ++next[static_cast<std::size_t>(r) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  const auto shift = static_cast<std::int32_t>(tile.begin - rows.begin);
  for (std::size_t i = 0; i < picked.row.size(); ++i) {
    const Index to = at + next[static_cast<std::size_t>(picked.row[i])]++;
    out.row[to] = picked.row[i] + shift;
    out.col[to] = picked.col[i];
    if (info_.weighted) out.value[to] = picked.value[i];
  }
}

Edges StoreFile::read_edges(device::Context& context, Range rows, std::span<const Range> cols) const {
  check(rows, static_cast<std::size_t>(rows.size()));
  Index previous = 0;
  for (const Range c : cols) {
    OPX_REQUIRE(c.begin >= previous && c.begin <= c.end && c.end <= info_.vertices, InvalidArgument,
                "{}: columns {} to {} of {} are out of range or order", path_.string(), c.begin, c.end,
                info_.vertices);
    previous = c.end;
  }
  const std::vector<ColumnMap> maps = map_columns(cols);
  const std::vector<TileRun> runs = runs_of(maps);
  std::vector<Index> row_tiles;
  for (Index t = 0; t < info_.tiles_per_side; ++t)
    if (tile_range(t).begin < rows.end && tile_range(t).end > rows.begin) row_tiles.push_back(t);

  // How much each row tile gives: from the offsets where all of its tiles in the runs are wanted whole, else
  // by looking.
  const bool whole_columns =
      std::all_of(maps.begin(), maps.end(), [](const ColumnMap& m) { return m.table.empty(); });
  std::vector<Index> start(row_tiles.size() + 1, 0);
  const auto tiles = static_cast<Index>(row_tiles.size());
  context.parallel_for(tiles, [&](Index i) {
    const Index t = row_tiles[static_cast<std::size_t>(i)];
    Index& count = start[static_cast<std::size_t>(i) + 1];
    if (whole_columns && rows.begin <= tile_range(t).begin && rows.end >= tile_range(t).end) {
      for (const TileRun run : runs) count += offset(t, run.last) - offset(t, run.first);
    } else {
      Picked picked;
      pick_any(t, rows, maps, runs, picked);
      count = static_cast<Index>(picked.row.size());
    }
  });
  std::partial_sum(start.begin(), start.end(), start.begin());
  Edges out{{context, start.back()}, {context, start.back()}, {context, info_.weighted ? start.back() : 0}};
  context.parallel_for(tiles, [&](Index i) {
    Picked picked;
    pick_any(row_tiles[static_cast<std::size_t>(i)], rows, maps, runs, picked);
    place(rows, row_tiles[static_cast<std::size_t>(i)], picked, start[static_cast<std::size_t>(i)], out);
  });
  return out;
}

constexpr Index kPieceElements = Index{1} << 22;

void StoreFile::read_features(Range rows, tensor::MatrixView<float> out) const {
  check(rows, static_cast<std::size_t>(out.rows));
  OPX_REQUIRE(out.cols == info_.feature_dim, DimensionMismatch, "{}: features of {} columns into {}",
              path_.string(), info_.feature_dim, out.cols);
  if (out.cols == 0 || out.rows == 0) return;
  if (info_.feature_type == FeatureType::kFloat32 && out.contiguous())
    return features_.read(rows.begin, std::span(out.data, static_cast<std::size_t>(out.size())));
  const Index step = std::max<Index>(1, kPieceElements / out.cols);
  const auto piecewise = [&](auto buffer, auto convert) {
    for (Index at = 0; at < out.rows; at += step) {
      const Index n = std::min(step, out.rows - at);
      buffer.resize(static_cast<std::size_t>(n * out.cols));
      features_.read(rows.begin + at, std::span(buffer));
      for (Index i = 0; i < n; ++i)
        std::transform(buffer.begin() + i * out.cols, buffer.begin() + (i + 1) * out.cols, out.row(at + i),
                       convert);
    }
  };
  switch (info_.feature_type) {
    case FeatureType::kFloat32:
      return piecewise(std::vector<float>(), [](float f) { return f; });
    case FeatureType::kFloat16:
      return piecewise(std::vector<io::Float16Bits>(),
                       [](io::Float16Bits h) { return float_from_half(h.bits); });
    case FeatureType::kBfloat16:
      return piecewise(std::vector<bfloat16>(), [](bfloat16 b) { return static_cast<float>(b); });
  }
}

void StoreFile::read_targets(Range rows, tensor::MatrixView<float> out) const {
  OPX_REQUIRE(info_.task == Task::kMultiLabel, InvalidArgument, "{}: has no multi-label targets",
              path_.string());
  check(rows, static_cast<std::size_t>(out.rows));
  OPX_REQUIRE(out.cols == info_.classes, DimensionMismatch, "{}: targets of {} tasks into {} columns",
              path_.string(), info_.classes, out.cols);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(out.size()));
  targets_.read(rows.begin, std::span(bytes));
  for (Index i = 0; i < out.rows; ++i)
    for (Index j = 0; j < out.cols; ++j) {
      const std::uint8_t b = bytes[static_cast<std::size_t>(i * out.cols + j)];
      if (b > 1 && b != format::kMissingTarget) damaged(format::kTargets, fmt::format("target {}", b));
      out(i, j) =
          b == format::kMissingTarget ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(b);
    }
}

std::optional<std::vector<std::string>> StoreFile::read_names(std::span<const Index> original) const {
  if (!file_.has(format::kNameOffsets)) return std::nullopt;
  std::vector<std::string> names;
  if (original.empty()) return names;
  const auto [least, most] = std::minmax_element(original.begin(), original.end());
  OPX_REQUIRE(*least >= 0 && *most < info_.vertices, InvalidArgument, "{}: original ids {} to {} of {}",
              path_.string(), *least, *most, info_.vertices);
  const io::H5Dataset all_offsets = file_.dataset(format::kNameOffsets),
                      all_bytes = file_.dataset(format::kNameBytes);
  const auto fits = [&](bool good) {
    if (!good) damaged(format::kNameOffsets, "does not fit the names");
  };
  fits(all_offsets.rows() == info_.vertices + 1);
  std::vector<std::uint64_t> offsets(static_cast<std::size_t>(*most - *least) + 2);
  all_offsets.read(*least, std::span(offsets));
  fits(std::is_sorted(offsets.begin(), offsets.end()) &&
       offsets.back() <= static_cast<std::uint64_t>(all_bytes.rows()));
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(offsets.back() - offsets.front()));
  if (!bytes.empty()) all_bytes.read(static_cast<Index>(offsets.front()), std::span(bytes));
  names.reserve(original.size());
  for (const Index i : original) {
    const auto at = static_cast<std::size_t>(i - *least);
    const auto place = [&](std::size_t k) {
      return bytes.begin() + static_cast<std::ptrdiff_t>(offsets[k] - offsets.front());
    };
    names.emplace_back(place(at), place(at + 1));
  }
  return names;
}

}  // namespace

void Store::read_parts(Range, std::span<std::int32_t>) const {
  throw base::InvalidArgument(fmt::format("{}: has no parts; prepare it with --parts", path().string()));
}

std::shared_ptr<Store> Store::open(const std::filesystem::path& path) {
  return std::make_shared<StoreFile>(path);
}

}  // namespace opx::graph
