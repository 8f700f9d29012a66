// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The native store `*.opx` (HDF5; docs/formats-store.md has every dataset and attribute): one prepared graph
// with its placement, read in large pieces by any number of ranks. Everything is in position order. The
// adjacency is raw (not normalised), A[dst, src].
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "device/buffer.hpp"
#include "layout/placement.hpp"
#include "tensor/matrix.hpp"

namespace opx::graph {

enum class Task : std::uint8_t { kNone, kMultiClass, kMultiLabel };
enum class FeatureType : std::uint8_t { kFloat32, kFloat16, kBfloat16 };
enum class Split : std::uint8_t { kNone = 0, kTrain = 1, kValid = 2, kTest = 3 };

/// Attributes of the store.
struct StoreInfo {
  std::string name;
  Index vertices = 0;
  Index edges = 0;         ///< stored non-zeros of A
  Index self_loops = 0;    ///< of these, on the diagonal
  bool symmetric = false;  ///< A == A^T
  bool weighted = false;   ///< values are stored
  Index feature_dim = 0;   ///< 0: none
  FeatureType feature_type = FeatureType::kFloat32;
  Task task = Task::kNone;
  Index classes = 0;   ///< classes (multi-class) or tasks (multi-label)
  std::string metric;  ///< "accuracy", "rocauc", "f1"
  Index train = 0, valid = 0, test = 0;
  Index virtual_blocks = 1;
  Index tiles_per_side = 1;  ///< T: the adjacency is cut into T x T tiles at even_range(N, T, i)
  layout::Deal deal = layout::Deal::kRandom;
  layout::Order order = layout::Order::kNatural;
  std::uint64_t seed = 0;
  Index parts = 0;         ///< parts that the vertices are cut into (for samplers); 0: none are stored
  std::string checksum;    ///< xxh3-128 over the content, hex: what a checkpoint remembers
  std::string provenance;  ///< JSON: command, inputs with sizes and checksums, counts of the report
};

/// Entries of A as position pairs, sorted by (row, col), no duplicates.
struct Edges {
  device::Buffer<std::int32_t> row;  ///< relative to rows.begin of the request
  device::Buffer<std::int32_t> col;  ///< relative to the list of column ranges laid end to end
  device::Buffer<float> value;       ///< empty unless weighted
};

/// Read access. Safe to use from several threads (one lock around HDF5). Throws FormatError for a file that
/// is not ours or is damaged, InputError for one that cannot be opened.
class Store {
 public:
  static std::shared_ptr<Store> open(const std::filesystem::path& path);
  virtual ~Store() = default;
  [[nodiscard]] virtual const StoreInfo& info() const noexcept = 0;
  [[nodiscard]] virtual const std::filesystem::path& path() const noexcept = 0;

  /// All entries with dst in `rows` and src in any of `cols` (disjoint rising ranges of positions).
  [[nodiscard]] virtual Edges read_edges(device::Context& context, Range rows,
                                         std::span<const Range> cols) const = 0;
  /// Rows of the features as fp32, `rows`.size() x feature_dim.
  virtual void read_features(Range rows, tensor::MatrixView<float> out) const = 0;
  /// Multi-class: label or -1. Multi-label: see read_targets.
  virtual void read_labels(Range rows, std::span<std::int32_t> out) const = 0;
  /// Multi-label targets, `rows`.size() x classes: 0, 1 or NaN.
  virtual void read_targets(Range rows, tensor::MatrixView<float> out) const = 0;
  virtual void read_splits(Range rows, std::span<Split> out) const = 0;
  /// Sum of entries of each row and of each column of A (values, or counts), self loops included.
  virtual void read_degrees(Range rows, std::span<float> row_sums, std::span<float> col_sums) const = 0;
  /// 1 where the row has a diagonal entry.
  virtual void read_self_loops(Range rows, std::span<std::uint8_t> out) const = 0;
  /// Part of each position, in [0, info().parts). Throws InvalidArgument where none are stored.
  virtual void read_parts(Range rows, std::span<std::int32_t> out) const;
  /// Original id at each position.
  virtual void read_original_ids(Range rows, std::span<Index> out) const = 0;
  /// Names of the original ids where the input had strings or gaps ("" otherwise): name of original id i.
  [[nodiscard]] virtual std::optional<std::vector<std::string>> read_names(
      std::span<const Index> original) const = 0;
};

}  // namespace opx::graph
