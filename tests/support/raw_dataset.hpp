// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Raw datasets from lists, and temporary folders, for tests of the store.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <stdlib.h>

#include "base/random.hpp"
#include "graph/source.hpp"

namespace opx::test {

/// A folder that is removed with all it holds.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "opx-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  /// Files and folders in it.
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

struct RawEdge {
  Index src = 0, dst = 0;
  float weight = 1;
};

/// Hands a list over in batches of `batch` edges.
class ListEdges final : public graph::EdgeSource {
 public:
  ListEdges(std::vector<RawEdge> edges, bool weighted, std::size_t batch = 7)
      : edges_(std::move(edges)), weighted_(weighted), batch_(batch) {}
  bool next(graph::EdgeBatch& batch) override {
    batch.clear();
    if (at_ == edges_.size()) return false;
    for (const std::size_t end = std::min(edges_.size(), at_ + batch_); at_ < end; ++at_) {
      batch.src.push_back(edges_[at_].src);
      batch.dst.push_back(edges_[at_].dst);
      if (weighted_) batch.weight.push_back(edges_[at_].weight);
    }
    return true;
  }

 private:
  std::vector<RawEdge> edges_;
  bool weighted_;
  std::size_t batch_, at_ = 0;
};

/// Row-major features.
class ListFeatures final : public graph::FeatureSource {
 public:
  ListFeatures(std::vector<float> data, Index dim) : data_(std::move(data)), dim_(dim) {}
  [[nodiscard]] Index dim() const override { return dim_; }
  void read(tensor::MatrixView<float> rows) override {
    for (Index i = 0; i < rows.rows; ++i, at_ += dim_) std::copy_n(data_.begin() + at_, dim_, rows.row(i));
  }

 private:
  std::vector<float> data_;
  Index dim_, at_ = 0;
};

/// `edges` random edges among `vertices`, with duplicates and self loops and vertex 0 as a hub; some vertices
/// isolated.
inline std::vector<RawEdge> random_edges(Index vertices, Index edges, std::uint64_t seed) {
  std::vector<RawEdge> out;
  if (vertices == 0) return out;
  for (Index i = 0; i < edges; ++i) {
    const auto r = base::philox({.seed = seed, .purpose = base::Purpose::kTest},
                                {.vertex = static_cast<std::uint64_t>(i)});
    const auto s = base::uniform_below(r[0], 0, static_cast<std::uint64_t>(vertices));
    const auto d = r[3] % 5 == 0 ? 0 : base::uniform_below(r[1], 0, static_cast<std::uint64_t>(vertices));
    out.push_back({static_cast<Index>(s), r[3] % 11 == 0 ? static_cast<Index>(s) : static_cast<Index>(d),
                   static_cast<float>(1 + r[2] % 8)});
    if (r[3] % 7 == 0) out.push_back(out.back()), out.back().weight = 9;
  }
  return out;
}

inline graph::RawDataset raw_dataset(Index vertices, std::vector<RawEdge> edges, bool weighted = false,
                                     std::size_t batch = 7) {
  graph::RawDataset raw;
  raw.name = "test";
  raw.layout = "list";
  raw.vertices = vertices;
  raw.edges = std::make_unique<ListEdges>(std::move(edges), weighted, batch);
  return raw;
}

}  // namespace opx::test
