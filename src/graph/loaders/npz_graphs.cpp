// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Graphs in single .npz files: that of heterophilous-graphs, and matrices of scipy.sparse.save_npz.
#include <array>
#include <charconv>
#include <vector>

#include "graph/loaders/arrays.hpp"
#include "graph/loaders/features.hpp"
#include "graph/loaders/input.hpp"
#include "graph/loaders/labels.hpp"

namespace opx::graph::loaders {
namespace {

constexpr Index kPiece = 1 << 16;

Index mask_row(const Input& input) {
  const std::string& name = input.options.split_name;
  if (name.empty()) return 0;
  Index row = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), row);
  OPX_REQUIRE(error == std::errc() && end == name.data() + name.size() && row >= 0, InvalidArgument,
              "split '{}' of '{}' must be the number of a mask row", name, input.path.string());
  return row;
}

// Adds the vertices that row `row` of a (splits, N) mask names; a one-dimensional mask is one row.
void read_mask(io::NpyReader reader, Index row, Split split, Index vertices, SplitTable& table) {
  const auto& header = reader.header();
  const Index rows = header.shape.size() == 2 ? header.shape[0] : 1;
  if (header.shape.empty() || header.shape.size() > 2 || header.shape.back() != vertices)
    throw base::FormatError(
        reader.name(), "npy header",
        fmt::format("a mask must be (splits, {}), this is {}", vertices, header.describe()));
  OPX_REQUIRE(row < rows, InputError, "'{}' has {} splits, number {} is asked for (from 0)", reader.name(),
              rows, row);
  const Index stride = header.fortran ? rows : 1;
  if (!header.fortran) reader.skip(row * vertices);
  std::vector<Index> piece;
  for (Index v = 0; v < vertices;) {
    const Index n = std::min(kPiece, vertices - v);
    piece.resize(static_cast<std::size_t>(n * stride));
    reader.read(piece);
    for (Index i = 0; i < n; ++i)
      if (piece[static_cast<std::size_t>(i * stride + (header.fortran ? row : 0))] != 0)
        table.add(v + i, split, reader.name(), [&] { return fmt::format("row {}, column {}", row, v + i); });
    v += n;
  }
}

}  // namespace

// Arrays node_features (N, F), node_labels (N), edges (E, 2) with each undirected edge once, and
// {train,val,test}_masks (splits, N), of which split_name chooses the row.
RawDataset open_heterophilous(const Input& input) {
  RawDataset data = start_dataset(input, "heterophilous");
  const auto archive = input.npz;
  record_file(data, input.path);
  const io::NpyReader labels = archive->open("node_labels");
  if (labels.header().shape.empty())
    throw base::FormatError(labels.name(), "npy header", "labels are a scalar");
  const Index vertices = labels.header().shape[0];
  data.vertices = vertices;
  data.labels = array_labels(archive->open("node_labels"), vertices);
  data.edges = array_edges([&] { return archive->open("edges", true); }, true, vertices);
  data.stored_once = true;
  if (archive->has("node_features"))
    data.features =
        array_features(archive->open("node_features", true), vertices, input.options.temporary_folder);
  SplitTable splits(vertices);
  constexpr std::array<std::pair<const char*, Split>, 3> kMasks = {
      {{"train_masks", Split::kTrain}, {"val_masks", Split::kValid}, {"test_masks", Split::kTest}}};
  for (const auto& [key, split] : kMasks)
    if (archive->has(key)) read_mask(archive->open(key), mask_row(input), split, vertices, splits);
  data.splits = std::move(splits).finish();
  compare_with_registry(data, input.known);
  return data;
}

RawDataset open_scipy(const Input& input) {
  RawDataset data = start_dataset(input, "scipy");
  record_file(data, input.path);
  Index vertices = 0;
  data.edges = sparse_edges(input.npz, true, vertices);
  data.vertices = vertices;
  compare_with_registry(data, input.known);
  return data;
}

}  // namespace opx::graph::loaders
