// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Files of predictions: one row per vertex in order of original ids, written front to back by rank 0.
//
//   .h5    datasets "prediction" (N or N x columns) and "original_id" (N); where the input named its vertices
//          also "name_bytes" (the names one after the other) and "name_ends" (N: where each one ends)
//   .npy   NumPy, little endian, C order, int32 or float32; row i is vertex i, names are not in it
//   .csv   header, then vertex (id or name) and the columns
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/types.hpp"

namespace opx::train {

struct PredictionShape {
  Index vertices = 0;
  Index columns = 1;
  bool integers = false;      ///< classes or 0/1 labels: stored as int32
  bool vector = false;        ///< one column stored as a one-dimensional array
  std::string column_name{};  ///< "class", or a prefix: "p0", "p1", ...
};

class PredictionWriter {
 public:
  virtual ~PredictionWriter() = default;
  /// The next rows; `names` (one a row) is empty where vertices have numbers only.
  virtual void write(Index first, std::span<const float> rows, std::span<const std::string> names) = 0;
  /// Flushes and renames the temporary file to its name. Throws ResourceError.
  virtual void finish() = 0;
};

/// By the extension of `output`; throws InvalidArgument for another one, ResourceError where it cannot be
/// written.
[[nodiscard]] std::unique_ptr<PredictionWriter> make_prediction_writer(const std::filesystem::path& output,
                                                                       const PredictionShape& shape);
/// Throws InvalidArgument unless `output` ends in .h5, .npy or .csv.
void check_prediction_output(const std::filesystem::path& output);

}  // namespace opx::train
