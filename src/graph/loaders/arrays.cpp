// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/loaders/arrays.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace opx::graph::loaders {
namespace {

constexpr Index kBatch = Index{1} << 18;

void check_ids(std::span<const Index> ids, Index first, Index vertices, const std::string& file) {
  const auto bad = std::ranges::find_if(
      ids, [=](Index id) { return static_cast<std::uint64_t>(id) >= static_cast<std::uint64_t>(vertices); });
  if (bad == ids.end()) return;
  throw base::FormatError(file, fmt::format("edge {}", first + (bad - ids.begin())),
                          fmt::format("vertex id {} is out of range [0, {})", *bad, vertices));
}

// What all array sources share: how many edges come, and how many came.
class ArrayEdges : public EdgeSource {
 public:
  ArrayEdges(Index edges, Index vertices) : edges_(edges), vertices_(vertices) {}
  std::optional<Index> expected_edges() const override { return edges_; }
  double progress() const override {
    return edges_ == 0 ? 1.0 : static_cast<double>(done_) / static_cast<double>(edges_);
  }
  bool next(EdgeBatch& batch) override {
    batch.clear();
    const auto n = static_cast<std::size_t>(std::min(kBatch, edges_ - done_));
    if (n == 0) return false;
    batch.src.resize(n), batch.dst.resize(n);
    read(batch);
    done_ += static_cast<Index>(n);
    return true;
  }

 protected:
  virtual void read(EdgeBatch& batch) = 0;
  void check(std::span<const Index> ids, const std::string& file) const {
    check_ids(ids, done_, vertices_, file);
  }

  Index edges_, vertices_, done_ = 0;
};

class InterleavedEdges final : public ArrayEdges {
 public:
  InterleavedEdges(io::NpyReader reader, Index edges, Index vertices)
      : ArrayEdges(edges, vertices), reader_(std::move(reader)) {}

 private:
  void read(EdgeBatch& batch) override {
    pairs_.resize(2 * batch.src.size());
    reader_.read(pairs_);
    for (std::size_t i = 0; i < batch.src.size(); ++i)
      batch.src[i] = pairs_[2 * i], batch.dst[i] = pairs_[2 * i + 1];
    check(batch.src, reader_.name());
    check(batch.dst, reader_.name());
  }
  io::NpyReader reader_;
  std::vector<Index> pairs_;
};

void read_weights(std::optional<io::NpyReader>& values, Index first, EdgeBatch& batch) {
  if (!values) return;
  batch.weight.resize(batch.src.size());
  values->read(batch.weight);
  const auto bad = std::ranges::find_if(batch.weight, [](float w) { return !std::isfinite(w); });
  if (bad != batch.weight.end())
    throw base::FormatError(values->name(), fmt::format("edge {}", first + (bad - batch.weight.begin())),
                            fmt::format("weight {} is no finite number", *bad));
}

class TwoArrayEdges final : public ArrayEdges {
 public:
  TwoArrayEdges(io::NpyReader src, io::NpyReader dst, std::optional<io::NpyReader> values, Index edges,
                Index vertices)
      : ArrayEdges(edges, vertices), src_(std::move(src)), dst_(std::move(dst)), values_(std::move(values)) {}

 private:
  void read(EdgeBatch& batch) override {
    src_.read(batch.src);
    dst_.read(batch.dst);
    read_weights(values_, done_, batch);
    check(batch.src, src_.name());
    check(batch.dst, dst_.name());
  }
  io::NpyReader src_, dst_;
  std::optional<io::NpyReader> values_;
};

// Compressed sparse rows; the row pointers stream too.
class CsrEdges final : public ArrayEdges {
 public:
  CsrEdges(io::NpyReader pointers, io::NpyReader indices, std::optional<io::NpyReader> values, Index edges,
           Index vertices)
      : ArrayEdges(edges, vertices),
        pointers_(std::move(pointers)),
        indices_(std::move(indices)),
        values_(std::move(values)) {
    if (next_pointer() != 0) fail(0, "the first row pointer is not 0");
    row_ = -1;
  }

 private:
  [[noreturn]] void fail(Index pointer, const std::string& what) const {
    throw base::FormatError(pointers_.name(), fmt::format("element {}", pointer), what);
  }

  Index next_pointer() {
    if (used_ == held_.size()) {
      const Index left = pointers_.header().elements() - pointers_.position();
      if (left == 0)
        fail(pointers_.position(), fmt::format("the row pointers end before the {} edges do", edges_));
      held_.resize(static_cast<std::size_t>(std::min<Index>(left, 1 << 16)));
      pointers_.read(held_);
      used_ = 0;
    }
    return held_[used_++];
  }

  // The row that edge `edge` is in.
  Index row_of(Index edge) {
    while (edge >= row_end_) {
      const Index end = next_pointer();
      ++row_;
      if (end < row_end_ || end > edges_)
        fail(row_ + 1, fmt::format("row pointer {} is not in [{}, {}]", end, row_end_, edges_));
      row_end_ = end;
    }
    return row_;
  }

  void read(EdgeBatch& batch) override {
    for (std::size_t i = 0; i < batch.src.size(); ++i) batch.src[i] = row_of(done_ + static_cast<Index>(i));
    indices_.read(batch.dst);
    read_weights(values_, done_, batch);
    check(batch.dst, indices_.name());
    if (done_ + std::ssize(batch.src) == edges_) check_last_rows();
  }

  // Rows behind the last edge are empty: their pointers all say so.
  void check_last_rows() {
    while (used_ < held_.size() || pointers_.position() < pointers_.header().elements())
      if (const Index end = next_pointer(); end != edges_)
        fail(pointers_.position(), fmt::format("row pointer {} is not the {} edges", end, edges_));
  }

  io::NpyReader pointers_, indices_;
  std::optional<io::NpyReader> values_;
  std::vector<Index> held_;
  std::size_t used_ = 0;
  Index row_ = -1, row_end_ = 0;
};

Index length_of(const io::NpyReader& reader) {
  if (reader.header().shape.size() != 1)
    throw base::FormatError(reader.name(), "npy header",
                            fmt::format("must have one dimension, is {}", reader.header().describe()));
  return reader.header().shape[0];
}

void require_length(const io::NpyReader& reader, Index length) {
  if (length_of(reader) != length)
    throw base::FormatError(reader.name(), "npy header",
                            fmt::format("must have {} elements, is {}", length, reader.header().describe()));
}

bool all_ones(io::NpyReader reader) {
  std::vector<float> piece(std::size_t{1} << 16);
  for (Index left = reader.header().elements(); left > 0;) {
    const auto part =
        std::span(piece).first(static_cast<std::size_t>(std::min<Index>(left, std::ssize(piece))));
    reader.read(part);
    if (std::ranges::any_of(part, [](float v) { return v != 1; })) return false;
    left -= std::ssize(part);
  }
  return true;
}

Index square_side(const io::NpzArchive& archive) {
  io::NpyReader reader = archive.open("shape");
  Index shape[2] = {};
  require_length(reader, 2);
  reader.read(shape);
  if (shape[0] != shape[1] || shape[0] < 0)
    throw base::FormatError(reader.name(), "",
                            fmt::format("the matrix is {} x {}, a graph's is square", shape[0], shape[1]));
  return shape[0];
}

}  // namespace

std::unique_ptr<EdgeSource> array_edges(const std::function<io::NpyReader()>& open, bool pairs_are_rows,
                                        Index vertices) {
  io::NpyReader reader = open();
  const auto& header = reader.header();
  const std::size_t pair = pairs_are_rows ? 1 : 0;
  if (header.shape.size() != 2 || header.shape[pair] != 2)
    throw base::FormatError(
        reader.name(), "npy header",
        fmt::format("edges must be {}, this is {}", pairs_are_rows ? "(E, 2)" : "(2, E)", header.describe()));
  const Index edges = header.shape[1 - pair];
  if (header.fortran != pairs_are_rows)
    return std::make_unique<InterleavedEdges>(std::move(reader), edges, vertices);
  io::NpyReader second = open();
  second.skip(edges);
  return std::make_unique<TwoArrayEdges>(std::move(reader), std::move(second), std::nullopt, edges, vertices);
}

std::unique_ptr<EdgeSource> sparse_edges(std::shared_ptr<const io::NpzArchive> archive, bool weights,
                                         Index& vertices) {
  const std::string format = archive->has("format")   ? archive->open("format").read_text()
                             : archive->has("indptr") ? "csr"
                                                      : "coo";
  vertices = square_side(*archive);
  std::optional<io::NpyReader> values;
  if (weights && archive->has("data") && !all_ones(archive->open("data")))
    values.emplace(archive->open("data", true));
  if (format == "coo") {
    io::NpyReader row = archive->open("row", true), col = archive->open("col", true);
    const Index edges = length_of(row);
    require_length(col, edges);
    if (values) require_length(*values, edges);
    return std::make_unique<TwoArrayEdges>(std::move(row), std::move(col), std::move(values), edges,
                                           vertices);
  }
  if (format != "csr")
    throw base::FormatError(archive->name(), "member 'format.npy'",
                            fmt::format("'{}' is not read (csr and coo are)", format));
  io::NpyReader pointers = archive->open("indptr", true), indices = archive->open("indices", true);
  const Index edges = length_of(indices);
  require_length(pointers, vertices + 1);
  if (values) require_length(*values, edges);
  return std::make_unique<CsrEdges>(std::move(pointers), std::move(indices), std::move(values), edges,
                                    vertices);
}

}  // namespace opx::graph::loaders
