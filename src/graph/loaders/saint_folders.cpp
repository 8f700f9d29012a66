// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Folders as GraphSAINT publishes them (adj_full.npz, feats.npy, class_map.json, role.json) and Reddit as DGL
// does (reddit_data.npz, reddit_graph.npz). The matrices are patterns: their values are all one and are not
// read.
#include <cmath>
#include <limits>
#include <vector>

#include "graph/loaders/arrays.hpp"
#include "graph/loaders/features.hpp"
#include "graph/loaders/input.hpp"
#include "graph/loaders/json_lists.hpp"
#include "graph/loaders/labels.hpp"
#include "io/number.hpp"

namespace opx::graph::loaders {
namespace {

// Rows in the order of the file's keys, put in order of vertices.
class ClassMap {
 public:
  ClassMap(std::string file, Index vertices) : file_(std::move(file)), vertices_(vertices) {}

  void add(const std::string& key, std::span<const double> numbers) {
    const Index vertex = parse_vertex(key);
    if (columns_ == 0) start(std::ssize(numbers));
    if (std::ssize(numbers) != columns_ || seen_[static_cast<std::size_t>(vertex)])
      fail(key, seen_[static_cast<std::size_t>(vertex)]
                    ? "comes twice"
                    : fmt::format("has {} labels, others have {}", numbers.size(), columns_));
    seen_[static_cast<std::size_t>(vertex)] = true;
    for (Index c = 0; c < columns_; ++c)
      values_[static_cast<std::size_t>(vertex * columns_ + c)] =
          static_cast<float>(numbers[static_cast<std::size_t>(c)]);
  }

  LabelData finish() && {
    LabelTable table(file_, "vertex");
    for (Index v = 0; columns_ > 0 && v < vertices_; ++v)
      table.add_row(std::span(values_).subspan(static_cast<std::size_t>(v * columns_),
                                               static_cast<std::size_t>(columns_)));
    return std::move(table).finish(columns_ > 0 ? vertices_ : 0);
  }

 private:
  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw base::FormatError(file_, fmt::format("key '{}'", shorten(key)), what);
  }
  Index parse_vertex(const std::string& key) const {
    const std::string padded = key + std::string(io::kTextPadding, '\0');
    Index vertex = -1;
    const char* end = io::parse_index(padded.data(), vertex);
    if (end != padded.data() + key.size() || vertex >= vertices_)
      fail(key, fmt::format("is no vertex id in [0, {})", vertices_));
    return vertex;
  }
  void start(Index columns) {
    if (columns == 0) fail("", "labels are empty lists");
    columns_ = columns;
    values_.assign(static_cast<std::size_t>(vertices_ * columns), std::numeric_limits<float>::quiet_NaN());
    seen_.assign(static_cast<std::size_t>(vertices_), false);
  }

  std::string file_;
  Index vertices_, columns_ = 0;
  std::vector<float> values_;
  std::vector<bool> seen_;
};

void read_roles(const Input& input, RawDataset& data) {
  SplitTable splits(*data.vertices);
  auto stream = input.tree->open("role.json");
  const std::string file = stream->name();
  read_json_lists(std::move(stream), [&](const std::string& key, std::span<const double> ids) {
    const auto where = [&] { return fmt::format("key '{}'", key); };
    const Split split = key == "tr"   ? Split::kTrain
                        : key == "va" ? Split::kValid
                        : key == "te" ? Split::kTest
                                      : Split::kNone;
    if (split == Split::kNone) throw base::FormatError(file, where(), "is none of tr, va, te");
    for (const double id : ids) {
      if (!(std::abs(id) < 1e15) || std::trunc(id) != id)
        throw base::FormatError(file, where(), fmt::format("{} is no vertex id", id));
      splits.add(static_cast<Index>(id), split, file, where);
    }
  });
  data.splits = std::move(splits).finish();
}

void open_matrix(const Input& input, RawDataset& data, const std::string& path) {
  record_file(data, *input.tree, path);
  Index vertices = 0;
  data.edges =
      sparse_edges(std::make_shared<io::NpzArchive>(input.tree->range(path, input.options.temporary_folder)),
                   false, vertices);
  data.vertices = vertices;
}

}  // namespace

RawDataset open_graphsaint(const Input& input) {
  RawDataset data = start_dataset(input, "graphsaint");
  open_matrix(input, data, "adj_full.npz");
  if (input.tree->has_file("feats.npy")) {
    record_file(data, *input.tree, "feats.npy");
    data.features =
        array_features(io::NpyReader(std::make_unique<io::PrefetchStream>(input.tree->open_raw("feats.npy"))),
                       *data.vertices, input.options.temporary_folder);
  }
  if (input.tree->has_file("class_map.json")) {
    record_file(data, *input.tree, "class_map.json");
    auto stream = input.tree->open("class_map.json");
    ClassMap classes(stream->name(), *data.vertices);
    read_json_lists(std::move(stream), [&](const std::string& key, std::span<const double> numbers) {
      classes.add(key, numbers);
    });
    data.labels = std::move(classes).finish();
  }
  if (input.tree->has_file("role.json")) {
    record_file(data, *input.tree, "role.json");
    read_roles(input, data);
  }
  compare_with_registry(data, input.known);
  return data;
}

RawDataset open_reddit(const Input& input) {
  RawDataset data = start_dataset(input, "reddit");
  open_matrix(input, data, "reddit_graph.npz");
  record_file(data, *input.tree, "reddit_data.npz");
  const io::NpzArchive archive(input.tree->range("reddit_data.npz", input.options.temporary_folder));
  data.features =
      array_features(archive.open("feature", true), *data.vertices, input.options.temporary_folder);
  data.labels = array_labels(archive.open("label"), *data.vertices);
  io::NpyReader types = archive.open("node_types");
  if (types.header().elements() != *data.vertices)
    throw base::FormatError(types.name(), "npy header",
                            fmt::format("is {} for {} vertices", types.header().describe(), *data.vertices));
  SplitTable splits(*data.vertices);
  for (Index v = 0; v < *data.vertices; ++v) {
    Index type = 0;
    types.read(std::span(&type, 1));
    const auto where = [&] { return fmt::format("element {}", v); };
    if (type < 1 || type > 3)
      throw base::FormatError(types.name(), where(), fmt::format("node type {} is not 1, 2 or 3", type));
    splits.add(v, static_cast<Split>(type), types.name(), where);
  }
  data.splits = std::move(splits).finish();
  compare_with_registry(data, input.known);
  return data;
}

}  // namespace opx::graph::loaders
