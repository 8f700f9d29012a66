// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Labels and splits, which fit in memory: from text, from arrays, checked value by value.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.hpp"
#include "graph/source.hpp"
#include "io/npy.hpp"

namespace opx::graph::loaders {

/// Collects one row of values a vertex; one column makes classes, several make tasks (multi-label).
class LabelTable {
 public:
  /// `file` is for messages; `unit` names a row in them ("line", counted from 1, or "row", counted from 0).
  LabelTable(std::string file, std::string unit) : file_(std::move(file)), unit_(std::move(unit)) {}
  /// NaN for no label. Every row has as many columns as the first.
  void add_row(std::span<const float> values);
  [[nodiscard]] Index rows() const noexcept { return rows_; }
  /// Throws FormatError: rows that are not `vertices`, a class that is no integer in [0, 65536), a target
  /// that is not 0, 1 or NaN.
  [[nodiscard]] LabelData finish(Index vertices) &&;

 private:
  [[noreturn]] void fail(Index row, const std::string& what) const;
  std::string file_, unit_;
  std::vector<float> values_;
  Index rows_ = 0, columns_ = 0;
};

/// One line a vertex, columns separated by commas; blank or nan is unlabelled.
[[nodiscard]] LabelData text_labels(std::unique_ptr<io::InputStream> stream, Index vertices);
/// An array (N,), (N, 1) or (N, tasks).
[[nodiscard]] LabelData array_labels(io::NpyReader reader, Index vertices);
[[nodiscard]] LabelData file_labels(const std::filesystem::path& path, Index vertices);

/// The place of a vertex by its id in the input; negative where there is none.
using FindVertex = base::FunctionRef<Index(std::string_view)>;
/// One line a labelled vertex, "id,label[,label...]" in any order; `unknown` counts the ids that `find` does
/// not know.
[[nodiscard]] LabelData keyed_labels(std::unique_ptr<io::InputStream> stream, Index vertices, FindVertex find,
                                     Index& unknown);

/// Gives vertices their split; a vertex in two is an error.
class SplitTable {
 public:
  explicit SplitTable(Index vertices) : vertices_(vertices) {}
  /// `where` is called for the position in messages.
  void add(Index vertex, Split split, const std::string& file, const std::function<std::string()>& where);
  /// One vertex id a line, or an array of ids.
  void add_text(std::unique_ptr<io::InputStream> stream, Split split);
  void add_array(io::NpyReader reader, Split split);
  void add_file(const std::filesystem::path& path, Split split);
  /// One id a line; `unknown` counts the ids that `find` does not know.
  void add_keyed(std::unique_ptr<io::InputStream> stream, Split split, FindVertex find, Index& unknown);
  /// Empty where nothing was added.
  [[nodiscard]] std::vector<Split> finish() && { return std::move(splits_); }

 private:
  Index vertices_;
  std::vector<Split> splits_;
};

}  // namespace opx::graph::loaders
