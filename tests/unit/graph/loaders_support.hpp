// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The tiny graph of datasets/tiny, and a loaded dataset gathered into memory to compare with it.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "graph/source.hpp"
#include "support/file_writers.hpp"

namespace opx::graph::test_support {

using Pair = std::pair<Index, Index>;

inline const std::vector<Pair> kTinyEdges = {{0, 1}, {0, 2}, {1, 2}, {1, 3}, {2, 4}, {3, 4}, {3, 5}, {4, 5}};
inline const std::vector<float> kTinyFeatures = {0.5F, 1, -1, 0.2F, 0, 0, 3, 4, 1.25F, -7, 0, 1, 9, 9};
inline const std::vector<std::int32_t> kTinyLabels = {0, 1, 2, 1, 0, -1, 2};
inline const std::vector<Split> kTinySplits = {Split::kTrain, Split::kTrain, Split::kTrain, Split::kValid,
                                               Split::kTest,  Split::kNone,  Split::kTest};

inline std::filesystem::path tiny(const std::string& name) {
  return std::filesystem::path(OPX_TINY_DATA) / name;
}

struct Gathered {
  Index vertices = -1;
  std::vector<Pair> edges;  ///< both directions, sorted
  std::vector<float> weights;
  std::vector<float> features;
  Index dim = 0;
  LabelData labels;
  std::vector<Split> splits;
  std::vector<std::string> names, warnings;
};

/// Reads everything; `step` feature rows at a time. Adds the inverse where the dataset says that edges are
/// stored once.
inline Gathered gather(RawDataset data, Index step = 3) {
  Gathered all;
  EdgeBatch batch;
  Index edges = 0;
  while (data.edges->next(batch)) {
    EXPECT_FALSE(batch.src.empty());
    for (std::size_t i = 0; i < batch.src.size(); ++i) {
      all.edges.emplace_back(batch.src[i], batch.dst[i]);
      if (data.stored_once) all.edges.emplace_back(batch.dst[i], batch.src[i]);
    }
    all.weights.insert(all.weights.end(), batch.weight.begin(), batch.weight.end());
    edges += std::ssize(batch.src);
  }
  EXPECT_FALSE(data.edges->next(batch));
  EXPECT_EQ(data.edges->expected_edges().value_or(edges), edges);
  std::ranges::sort(all.edges);
  all.vertices = data.vertices.value_or(-1);
  if (data.features) {
    all.dim = data.features->dim();
    all.features.resize(static_cast<std::size_t>(all.vertices * all.dim));
    const tensor::MatrixView<float> view(all.features.data(), all.vertices, all.dim);
    for (Index r = 0; r < all.vertices; r += step)
      data.features->read(view.middle_rows({r, std::min(r + step, all.vertices)}));
  }
  all.labels = std::move(data.labels);
  all.splits = std::move(data.splits);
  all.warnings = std::move(data.warnings);
  if (data.names) all.names = *data.names;
  return all;
}

inline Gathered load(const std::filesystem::path& path, OpenOptions options = {}) {
  return gather(open_dataset(path, options));
}

inline std::vector<Pair> both_directions(std::vector<Pair> edges) {
  for (std::size_t i = 0, n = edges.size(); i < n; ++i) edges.emplace_back(edges[i].second, edges[i].first);
  std::ranges::sort(edges);
  return edges;
}

inline void expect_tiny_edges(const Gathered& got, Index vertices = 7) {
  EXPECT_EQ(got.vertices, vertices);
  EXPECT_EQ(got.edges, both_directions(kTinyEdges));
}

inline void expect_tiny(const Gathered& got) {
  expect_tiny_edges(got);
  EXPECT_EQ(got.dim, 2);
  EXPECT_EQ(got.features, kTinyFeatures);
  EXPECT_EQ(got.labels.task, Task::kMultiClass);
  EXPECT_EQ(got.labels.classes, 3);
  EXPECT_EQ(got.labels.labels, kTinyLabels);
  EXPECT_EQ(got.splits, kTinySplits);
}

/// The FormatError that loading all of a dataset gives.
inline base::FormatError load_error(const std::filesystem::path& path, OpenOptions options = {}) {
  try {
    load(path, options);
  } catch (const base::FormatError& error) {
    return error;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "not a FormatError: " << error.what();
    return {"", "", ""};
  }
  ADD_FAILURE() << path << " loaded without an error";
  return {"", "", ""};
}

}  // namespace opx::graph::test_support
