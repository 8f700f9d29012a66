// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What a loader hands to `prepare`: streams of edges and feature rows in the input's own order, and the small
// parts (labels, splits) in memory. Loaders for each layout implement these; the builder consumes them
// (graph/prepare.hpp).
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "device/context.hpp"
#include "graph/store.hpp"
#include "tensor/matrix.hpp"

namespace opx::graph {

/// Ids inside a tile and positions have 32 bits.
inline constexpr Index kMostVertices = std::numeric_limits<std::int32_t>::max();

/// A batch of edges src -> dst by original id, checked to lie in [0, vertices) where the count is known.
struct EdgeBatch {
  std::vector<Index> src, dst;
  std::vector<float> weight;  ///< empty, or one each
  void clear() { src.clear(), dst.clear(), weight.clear(); }
};

class EdgeSource {
 public:
  virtual ~EdgeSource() = default;
  /// Replaces the batch by the next one (some 10^5 to 10^6 edges); false at the end. Throws FormatError with
  /// file and line.
  virtual bool next(EdgeBatch& batch) = 0;
  /// Edges promised by the input (a header, a count list), for progress; the source itself checks that they
  /// came.
  [[nodiscard]] virtual std::optional<Index> expected_edges() const { return std::nullopt; }
  /// Part of the input consumed, 0..1, for progress.
  [[nodiscard]] virtual double progress() const { return 0; }
};

class FeatureSource {
 public:
  virtual ~FeatureSource() = default;
  [[nodiscard]] virtual Index dim() const = 0;
  /// Reads the next rows.rows vertices' features in order of original id. NaN or infinite values are
  /// FormatErrors.
  virtual void read(tensor::MatrixView<float> rows) = 0;
};

struct LabelData {
  Task task = Task::kNone;
  Index classes = 0;                 ///< classes, or tasks
  std::vector<std::int32_t> labels;  ///< multi-class, N: -1 for none
  std::vector<float> targets;        ///< multi-label, N x classes: 0, 1, NaN
};

/// An input file for the provenance record.
struct InputFile {
  std::string path;
  std::int64_t bytes = 0;
};

struct RawDataset {
  std::string name;
  std::string layout;  ///< "ogbn-csv", "ogbn-npz", "snap", "matrix-market", ...
  /// N, where the input states it; else the largest of max id + 1 over the edges, labels, targets, splits and
  /// names.
  std::optional<Index> vertices;
  std::unique_ptr<EdgeSource> edges;
  std::unique_ptr<FeatureSource> features;  ///< or null
  LabelData labels;
  std::vector<Split> splits;  ///< N, or empty
  bool stored_once = false;   ///< each undirected edge is in the file once: add the inverse
  bool already_symmetric =
      false;           ///< the format promises it (METIS, symmetric Matrix Market after expansion); checked
  std::string metric;  ///< from the registry, or empty
  std::vector<std::string>
      warnings;  ///< what the user should hear: counts that differ from the registry, unused files
  std::vector<InputFile> files;
  virtual ~RawDataset() = default;
  RawDataset() = default;
  RawDataset(RawDataset&&) = default;
  RawDataset& operator=(RawDataset&&) = default;
  /// Names of original ids where the input had strings or gaps; filled when the edges have been read.
  std::shared_ptr<std::vector<std::string>> names;
};

struct OpenOptions {
  std::string layout = "auto";  ///< one of layout_names()
  std::filesystem::path features, labels, train, valid,
      test;                ///< extra files for bare edge lists (npy, csv, .gz)
  std::string split_name;  ///< folder below split/ where there are several; index of a mask column for npz
  bool directed = false;   ///< for edge lists
  /// Labels and splits beside an edge list name vertices by the ids (numbers or words) that the list has: a
  /// row of labels begins with one. Vertices that the list lacks are left out with a warning.
  bool keyed = false;
  std::int64_t memory = std::int64_t{2} << 30;
  Index vertices = 0;  ///< 0: from the input
  Index classes = 0;   ///< of labels with one class each; 0: from the registry, else the largest label + 1
  device::Context* context =
      nullptr;  ///< threads that parse text (must outlive the sources); null: the caller's only
  std::filesystem::path temporary_folder;  ///< for arrays in Fortran order; empty: the system's
};

/// Detects the layout by what the path is and holds, and opens it. Throws InputError or FormatError; for a
/// path that is no known layout says what was looked for; InvalidArgument for an option that the layout has
/// no use for.
[[nodiscard]] RawDataset open_dataset(const std::filesystem::path& path, const OpenOptions& options);
[[nodiscard]] std::vector<std::string> layout_names();

}  // namespace opx::graph
