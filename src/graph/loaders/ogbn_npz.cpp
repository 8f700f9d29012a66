// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// OGB node datasets in binary form (papers100M): raw/data.npz, raw/node-label.npz, split/<name>/. Members are
// streamed; edge_index (2, E) is read by two streams, one of which starts at its second half.
#include "graph/loaders/arrays.hpp"
#include "graph/loaders/features.hpp"
#include "graph/loaders/labels.hpp"
#include "graph/loaders/ogbn.hpp"

namespace opx::graph::loaders {
namespace {

Index read_count(const io::NpzArchive& archive, std::string_view key) {
  io::NpyReader reader = archive.open(key);
  if (reader.header().elements() != 1)
    throw base::FormatError(
        reader.name(), "npy header",
        fmt::format("is {}, one count of one graph is needed", reader.header().describe()));
  Index count = 0;
  reader.read(std::span(&count, 1));
  if (count < 0)
    throw base::FormatError(reader.name(), "element 0", fmt::format("the count {} is negative", count));
  return count;
}

void open_edges(const io::NpzArchive& archive, RawDataset& data) {
  data.edges = array_edges([&] { return archive.open("edge_index", true); }, false, *data.vertices);
  if (!archive.has("num_edges_list")) return;
  const Index promised = read_count(archive, "num_edges_list"),
              edges = data.edges->expected_edges().value_or(0);
  if (promised != edges)
    throw base::FormatError(archive.name(), "member 'num_edges_list.npy'",
                            fmt::format("says {} edges, edge_index has {}", promised, edges));
}

}  // namespace

RawDataset open_ogbn_npz(const Input& input) {
  refuse_heterogeneous(input);
  RawDataset data = start_dataset(input, "ogbn-npz");
  const io::NpzArchive archive(input.tree->range("raw/data.npz", input.options.temporary_folder));
  record_file(data, *input.tree, "raw/data.npz");
  data.vertices = read_count(archive, "num_nodes_list");
  open_edges(archive, data);
  if (archive.has("node_feat"))
    data.features =
        array_features(archive.open("node_feat", true), *data.vertices, input.options.temporary_folder);
  if (input.tree->has_file("raw/node-label.npz")) {
    record_file(data, *input.tree, "raw/node-label.npz");
    const io::NpzArchive labels(input.tree->range("raw/node-label.npz", input.options.temporary_folder));
    data.labels = array_labels(labels.open("node_label"), *data.vertices);
  }
  if (archive.has("edge_feat"))
    data.warnings.push_back(archive.name() + ": edge_feat is not used: edge features are not served");
  read_ogbn_splits(input, data);
  compare_with_registry(data, input.known);
  return data;
}

}  // namespace opx::graph::loaders
