// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/store_writer.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.hpp"
#include "graph/half.hpp"
#include "graph/store_format.hpp"
#include "io/file.hpp"

namespace opx::graph {
namespace {

namespace fs = std::filesystem;
constexpr Index kEdgeChunk = Index{1} << 20;    // elements of one HDF5 chunk of the adjacency
constexpr Index kConvertRows = Index{1} << 16;  // elements converted at a time

// The rename is durable once the folder is synced. Some file systems cannot sync folders: that is no error.
void sync_folder(const fs::path& folder) noexcept {
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

io::H5Type stored_type(FeatureType type) {
  switch (type) {
    case FeatureType::kFloat32:
      return io::H5Type::kFloat32;
    case FeatureType::kFloat16:
      return io::H5Type::kFloat16;
    case FeatureType::kBfloat16:
      return io::H5Type::kBfloat16;
  }
  throw base::InternalError("unknown feature type");
}

// The output may have been given the name of an input by mistake: only what begins as HDF5 does is replaced.
bool may_be_replaced(const fs::path& output) {
  constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
  if (!fs::exists(output)) return true;
  std::string head(kSignature.size(), '\0');
  head.resize(io::FileRange::whole(output).read_at(0, head));
  return head.empty() || head == kSignature;
}

}  // namespace

StoreWriter::StoreWriter(fs::path output)
    : output_(std::move(output)), temporary_(output_.string() + fmt::format(".tmp-{}", ::getpid())) {
  OPX_REQUIRE(!fs::is_directory(output_), ResourceError, "{}: is a folder, not a file", output_.string());
  OPX_REQUIRE(may_be_replaced(output_), InvalidArgument,
              "'{}' is there already and is no store: it is not overwritten", output_.string());
  file_ = io::H5File::create(temporary_);
}

StoreWriter::~StoreWriter() {
  if (finished_) return;
  parts_.clear();
  file_ = io::H5File();
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

StoreWriter::Part& StoreWriter::begin(const char* name, io::H5Type type, std::vector<Index> shape,
                                      io::H5Layout layout) {
  const auto [at, fresh] = parts_.try_emplace(name);
  OPX_REQUIRE(fresh, InternalError, "dataset '{}' is written twice", name);
  at->second.data = file_.create_dataset(name, type, std::move(shape), layout);
  return at->second;
}

template <class T>
void StoreWriter::append(Part& part, std::span<const T> data) {
  const Index rows = part.data.row_size() == 0 ? 0 : static_cast<Index>(data.size()) / part.data.row_size();
  if (rows == 0) return;
  part.data.write(part.rows, data);
  part.hash.add({reinterpret_cast<const char*>(data.data()), data.size_bytes()});
  part.rows += rows;
}

template <class T>
void StoreWriter::write_all(const char* name, std::span<const T> data, Index columns) {
  std::vector<Index> shape{static_cast<Index>(data.size())};
  if (columns > 0) shape = {static_cast<Index>(data.size()) / columns, columns};
  append(begin(name, io::h5_type<T>(), std::move(shape)), data);
}

void StoreWriter::begin_edges(Index vertices, Index tiles_per_side, bool weighted, Index most_edges) {
  vertices_ = vertices, tiles_ = tiles_per_side, weighted_ = weighted;
  wide_ = ceil_div(vertices, tiles_per_side) > format::kNarrowTile;
  tile_offsets_.reserve(static_cast<std::size_t>(tiles_ * tiles_ + 1));
  tile_offsets_.push_back(0);
  const io::H5Layout layout{.chunk_rows = std::clamp<Index>(most_edges, 1, kEdgeChunk)};
  const io::H5Type ids = wide_ ? io::H5Type::kUint32 : io::H5Type::kUint16;
  begin(format::kRows, ids, {0}, layout);
  begin(format::kCols, ids, {0}, layout);
  if (weighted_) begin(format::kValues, io::H5Type::kFloat32, {0}, layout);
}

void StoreWriter::add_row_tile(const RowTile& tile) {
  Index entries = 0;
  for (const Index c : tile.counts) {
    entries += c;
    tile_offsets_.push_back(tile_offsets_.back() + c);
  }
  if (entries == 0) return;
  const auto grow = [&](const char* name, auto data) {
    OPX_REQUIRE(static_cast<Index>(data.size()) == entries, InternalError,
                "a row tile of {} entries with {} in '{}'", entries, data.size(), name);
    Part& part = parts_.at(name);
    part.data.resize(part.rows + entries);
    append(part, data);
  };
  if (wide_) {
    grow(format::kRows, std::span(tile.wide_rows));
    grow(format::kCols, std::span(tile.wide_cols));
  } else {
    grow(format::kRows, std::span(tile.narrow_rows));
    grow(format::kCols, std::span(tile.narrow_cols));
  }
  if (weighted_) grow(format::kValues, std::span(tile.values));
}

void StoreWriter::begin_features(Index vertices, Index dim, FeatureType type) {
  dim_ = dim, feature_type_ = type;
  begin(format::kFeatures, stored_type(type), {vertices, dim});
}

void StoreWriter::add_features(std::span<const float> rows) {
  Part& part = parts_.at(format::kFeatures);
  if (feature_type_ == FeatureType::kFloat32) return append(part, rows);
  const auto step = static_cast<std::size_t>(std::max<Index>(1, kConvertRows / dim_) * dim_);
  std::vector<io::Float16Bits> halves;
  std::vector<bfloat16> brains;
  for (std::size_t at = 0; at < rows.size(); at += step) {
    const auto piece = rows.subspan(at, std::min(step, rows.size() - at));
    if (feature_type_ == FeatureType::kFloat16) {
      halves.clear();
      for (const float f : piece) halves.push_back({half_from_float(f)});
      append(part, std::span<const io::Float16Bits>(halves));
    } else {
      brains.clear();
      for (const float f : piece) brains.emplace_back(f);
      append(part, std::span<const bfloat16>(brains));
    }
  }
}

void StoreWriter::write_labels(std::span<const std::int32_t> labels) { write_all(format::kLabels, labels); }

void StoreWriter::write_targets(std::span<const float> targets, Index classes) {
  std::vector<std::uint8_t> bytes(targets.size());
  std::transform(targets.begin(), targets.end(), bytes.begin(), [](float t) {
    return std::isnan(t) ? format::kMissingTarget : static_cast<std::uint8_t>(t != 0.0F);
  });
  write_all(format::kTargets, std::span<const std::uint8_t>(bytes), classes);
}

void StoreWriter::write_splits(std::span<const Split> splits) {
  write_all(format::kSplits, std::span(reinterpret_cast<const std::uint8_t*>(splits.data()), splits.size()));
}

void StoreWriter::write_degrees(std::span<const float> row_sums, std::span<const float> col_sums) {
  write_all(format::kRowSums, row_sums);
  write_all(format::kColSums, col_sums);
}

void StoreWriter::write_self_loops(std::span<const std::uint8_t> flags) {
  write_all(format::kSelfLoops, flags);
}

void StoreWriter::write_parts(std::span<const std::int32_t> parts) { write_all(format::kParts, parts); }

void StoreWriter::write_original_ids(std::span<const Index> ids) { write_all(format::kOriginalIds, ids); }

void StoreWriter::write_names(std::span<const std::string> names) {
  std::vector<std::uint64_t> offsets{0};
  std::string bytes;
  for (const auto& n : names) {
    bytes += n;
    offsets.push_back(bytes.size());
  }
  write_all(format::kNameBytes, std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
  write_all(format::kNameOffsets, std::span<const std::uint64_t>(offsets));
}

std::string StoreWriter::combine_hashes() {
  io::Checksum all;
  for (auto& [name, part] : parts_) {  // a map: in order of name
    const std::string hex = part.hash.hex();
    part.data.set_attribute("xxh3_128", hex);
    const std::string line = name + ":" + hex + "\n";
    all.add(line);
  }
  return all.hex();
}

std::string StoreWriter::finish(StoreInfo info) {
  OPX_REQUIRE(static_cast<Index>(tile_offsets_.size()) == tiles_ * tiles_ + 1, InternalError,
              "{} tile offsets for {} x {} tiles", tile_offsets_.size(), tiles_, tiles_);
  write_all(format::kTileOffsets, std::span<const Index>(tile_offsets_));
  info.checksum = combine_hashes();
  const std::pair<const char*, std::string> texts[] = {{"format", format::kMagic},
                                                       {"name", info.name},
                                                       {"metric", info.metric},
                                                       {"deal", std::string(layout::name(info.deal))},
                                                       {"order", std::string(layout::name(info.order))},
                                                       {"checksum", info.checksum},
                                                       {"provenance", info.provenance}};
  for (const auto& [key, text] : texts) file_.set_attribute(key, text);
  const std::pair<const char*, std::int64_t> numbers[] = {
      {"version", format::kVersion},
      {"vertices", vertices_},
      {"edges", tile_offsets_.back()},
      {"self_loops", info.self_loops},
      {"symmetric", info.symmetric},
      {"weighted", weighted_},
      {"feature_dim", dim_},
      {"feature_type", static_cast<std::int64_t>(feature_type_)},
      {"task", static_cast<std::int64_t>(info.task)},
      {"classes", info.classes},
      {"train", info.train},
      {"valid", info.valid},
      {"test", info.test},
      {"virtual_blocks", info.virtual_blocks},
      {"tiles_per_side", tiles_},
      {"parts", info.parts},
      {"seed", static_cast<std::int64_t>(info.seed)}};
  for (const auto& [key, number] : numbers) file_.set_attribute(key, number);
  parts_.clear();
  file_.close();
  std::error_code error;
  fs::rename(temporary_, output_, error);
  OPX_REQUIRE(!error, ResourceError, "{}: cannot be renamed to {}: {}", temporary_.string(), output_.string(),
              error.message());
  finished_ = true;
  sync_folder(output_.parent_path());
  return info.checksum;
}

}  // namespace opx::graph
