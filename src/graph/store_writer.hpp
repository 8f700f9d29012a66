// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a `*.opx` store: to a temporary name beside the output, synced, then renamed. Each dataset is
// streamed once, in order, and hashed on the way. Private to graph/ and its tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "graph/store.hpp"
#include "io/checksum.hpp"
#include "io/hdf5.hpp"

namespace opx::graph {

/// The T tiles of one row tile laid end to end, each sorted by (row, col) without duplicates. Local ids in
/// `narrow` or in `wide`, as the store's tiles need.
struct RowTile {
  std::vector<std::uint16_t> narrow_rows, narrow_cols;
  std::vector<std::uint32_t> wide_rows, wide_cols;
  std::vector<float> values;  ///< empty unless weighted
  std::vector<Index> counts;  ///< T: entries of each tile
  std::vector<std::uint32_t>
      row_counts;  ///< entries of each row, perhaps longer than the row tile; not written
};

class StoreWriter {
 public:
  /// Throws ResourceError if the folder is not writable.
  explicit StoreWriter(std::filesystem::path output);
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;
  /// Removes the temporary file unless finish() was reached.
  ~StoreWriter();

  /// T x T tiles over `vertices`; at most `most_edges` entries will come.
  void begin_edges(Index vertices, Index tiles_per_side, bool weighted, Index most_edges);
  /// The next row tile, in rising order.
  void add_row_tile(const RowTile& tile);

  void begin_features(Index vertices, Index dim, FeatureType type);
  /// The next rows in position order, whole rows of fp32; converted to the store's type here.
  void add_features(std::span<const float> rows);

  void write_labels(std::span<const std::int32_t> labels);
  void write_targets(std::span<const float> targets, Index classes);
  void write_splits(std::span<const Split> splits);
  void write_degrees(std::span<const float> row_sums, std::span<const float> col_sums);
  void write_self_loops(std::span<const std::uint8_t> flags);
  void write_parts(std::span<const std::int32_t> parts);
  void write_original_ids(std::span<const Index> ids);
  void write_names(std::span<const std::string> names);

  /// Writes the attributes (info.checksum is computed here and returned), syncs and renames. `info.edges`, T
  /// and the weighted flag are those of what was written.
  std::string finish(StoreInfo info);

 private:
  struct Part {
    io::H5Dataset data;
    io::Checksum hash;
    Index rows = 0;
  };
  Part& begin(const char* name, io::H5Type type, std::vector<Index> shape, io::H5Layout layout = {});
  template <class T>
  void append(Part& part, std::span<const T> data);
  template <class T>
  void write_all(const char* name, std::span<const T> data, Index columns = 0);
  std::string combine_hashes();

  std::filesystem::path output_, temporary_;
  io::H5File file_;
  std::map<std::string, Part> parts_;
  Index vertices_ = 0, tiles_ = 1, dim_ = 0;
  bool weighted_ = false, wide_ = false, finished_ = false;
  FeatureType feature_type_ = FeatureType::kFloat32;
  std::vector<Index> tile_offsets_;
};

}  // namespace opx::graph
