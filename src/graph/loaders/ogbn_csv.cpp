// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// OGB node datasets in csv.gz files without header rows:
// raw/{edge,node-feat,node-label,num-node-list,num-edge-list} and split/<name>/. The layout is that of OGB's
// read_graph_raw (ogb/io) and of its published archives.
#include <array>

#include "graph/loaders/edge_text.hpp"
#include "graph/loaders/features.hpp"
#include "graph/loaders/labels.hpp"
#include "graph/loaders/ogbn.hpp"
#include "io/number.hpp"

namespace opx::graph::loaders {
namespace {

constexpr std::size_t kLongestCountList = 4096;

// The only number of a count list: these datasets are one graph.
Index read_count(const Input& input, const std::string& path) {
  const auto stream = input.tree->open(path);
  std::string text = io::read_all(*stream, kLongestCountList);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  const std::size_t length = text.size();
  text.append(io::kTextPadding, '\0');
  Index count = 0;
  const char* after = io::parse_index(text.data(), count);
  if (after != text.data() + length)
    fail_line(stream->name(), 1,
              fmt::format("'{}' is not the one count of one graph", shorten(text.substr(0, length))));
  return count;
}

std::string required(const Input& input, const std::string& stem) {
  std::string path = find_csv(*input.tree, stem);
  OPX_REQUIRE(!path.empty(), InputError, "'{}' is missing", input.tree->describe(stem + ".csv.gz"));
  return path;
}

void open_edges(const Input& input, RawDataset& data) {
  EdgeTextOptions options;
  options.vertices = *data.vertices;
  const std::string count = find_csv(*input.tree, "raw/num-edge-list");
  if (!count.empty()) {
    options.expected = read_count(input, count);
    options.expected_from = count;
  }
  const std::string path = required(input, "raw/edge");
  record_file(data, *input.tree, path);
  data.edges = std::make_unique<EdgeText>(input.tree->open(path), options, input.options.context);
}

}  // namespace

RawDataset open_ogbn_csv(const Input& input) {
  refuse_heterogeneous(input);
  RawDataset data = start_dataset(input, "ogbn-csv");
  data.vertices = read_count(input, required(input, "raw/num-node-list"));
  open_edges(input, data);
  if (const auto path = find_csv(*input.tree, "raw/node-feat"); !path.empty()) {
    record_file(data, *input.tree, path);
    data.features = text_features(input.tree->open(path), *data.vertices, input.options.context);
  }
  if (const auto path = find_csv(*input.tree, "raw/node-label"); !path.empty()) {
    record_file(data, *input.tree, path);
    data.labels = text_labels(input.tree->open(path), *data.vertices);
  }
  if (const auto path = find_csv(*input.tree, "raw/edge-feat"); !path.empty())
    data.warnings.push_back(input.tree->describe(path) + " is not used: edge features are not served");
  read_ogbn_splits(input, data);
  compare_with_registry(data, input.known);
  return data;
}

}  // namespace opx::graph::loaders
