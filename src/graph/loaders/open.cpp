// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Detection of the layout: by what the path is and holds, first match in the order of the table.
#include <algorithm>
#include <cctype>
#include <string>

#include <fmt/format.h>

#include "base/text.hpp"
#include "graph/loaders/features.hpp"
#include "graph/loaders/input.hpp"
#include "graph/loaders/labels.hpp"

namespace opx::graph {
namespace loaders {

void parallel_for(device::Context* context, Index tasks, base::FunctionRef<void(Index)> task) {
  if (context != nullptr) {
    context->parallel_for(tasks, task);
  } else {
    for (Index i = 0; i < tasks; ++i) task(i);
  }
}

std::string find_csv(const io::FileTree& tree, const std::string& stem) {
  for (const char* extension : {".csv.gz", ".csv"})
    if (tree.has_file(stem + extension)) return stem + extension;
  return "";
}

RawDataset start_dataset(const Input& input, std::string_view layout) {
  RawDataset data;
  data.name = input.known != nullptr ? input.known->name : input.name;
  data.layout = layout;
  if (input.known != nullptr) {
    data.stored_once = input.known->add_inverse_edge;
    data.metric = input.known->metric;
  }
  return data;
}

void record_file(RawDataset& data, const std::filesystem::path& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  data.files.push_back({path.string(), error ? 0 : static_cast<std::int64_t>(bytes)});
}

void record_file(RawDataset& data, const io::FileTree& tree, const std::string& path) {
  data.files.push_back({tree.describe(path), tree.bytes(path)});
}

void compare_with_registry(RawDataset& data, const RegistryEntry* known) {
  if (known == nullptr) return;
  const auto compare = [&](const char* what, Index found, Index expected) {
    if (expected > 0 && found >= 0 && found != expected)
      data.warnings.push_back(fmt::format("{} has {} {}, but the registry knows {} with {}", data.name, found,
                                          what, known->name, expected));
  };
  compare("vertices", data.vertices.value_or(-1), known->vertices);
  compare("edges", data.edges ? data.edges->expected_edges().value_or(-1) : -1, known->edges);
  compare("features", data.features ? data.features->dim() : 0, known->feature_dim);
  if (data.labels.task == Task::kMultiLabel)
    compare("tasks", data.labels.classes, known->tasks);
  else
    compare("classes", data.labels.classes, known->classes);
}

void read_extra_files(const Input& input, RawDataset& data) {
  const OpenOptions& options = input.options;
  if (options.keyed) return read_keyed_files(input, data);
  if (!options.features.empty()) {
    record_file(data, options.features);
    data.features = file_features(options.features, *data.vertices, options);
  }
  if (!options.labels.empty()) {
    record_file(data, options.labels);
    data.labels = file_labels(options.labels, *data.vertices);
  }
  SplitTable splits(*data.vertices);
  const std::pair<const std::filesystem::path*, Split> parts[] = {
      {&options.train, Split::kTrain}, {&options.valid, Split::kValid}, {&options.test, Split::kTest}};
  for (const auto& [path, split] : parts) {
    if (path->empty()) continue;
    record_file(data, *path);
    splits.add_file(*path, split);
  }
  if (auto table = std::move(splits).finish(); !table.empty()) data.splits = std::move(table);
}

namespace {

struct Layout {
  const char* name;
  const char* looks_like;
  bool (*matches)(const Input&);
  RawDataset (*open)(const Input&);
};

bool has_arrays(const Input& input, std::initializer_list<const char*> keys) {
  return input.npz && std::ranges::all_of(keys, [&](const char* key) { return input.npz->has(key); });
}

bool has_extension(const Input& input, std::initializer_list<const char*> extensions) {
  return std::ranges::find(extensions, input.extension) != extensions.end();
}

bool is_ogbn_csv(const Input& input) {
  return input.tree &&
         (!find_csv(*input.tree, "raw/edge").empty() || !find_csv(*input.tree, "raw/num-node-list").empty() ||
          !find_csv(*input.tree, "raw/num-node-dict").empty() ||
          !find_csv(*input.tree, "raw/triplet-type-list").empty());
}

constexpr Layout kLayouts[] = {
    {"ogbn-npz", "a folder or .zip with raw/data.npz",
     [](const Input& i) {
       return i.tree && (i.tree->has_file("raw/data.npz") || i.tree->has_file("raw/edge_index_dict.npz"));
     },
     open_ogbn_npz},
    {"ogbn-csv", "a folder or .zip with raw/edge.csv.gz and raw/num-node-list.csv.gz", is_ogbn_csv,
     open_ogbn_csv},
    {"graphsaint", "a folder or .zip with adj_full.npz and role.json",
     [](const Input& i) { return i.tree && i.tree->has_file("adj_full.npz"); }, open_graphsaint},
    {"reddit", "a folder or .zip with reddit_data.npz and reddit_graph.npz",
     [](const Input& i) { return i.tree && i.tree->has_file("reddit_graph.npz"); }, open_reddit},
    {"heterophilous", "an .npz with edges, node_features and node_labels",
     [](const Input& i) {
       return has_arrays(i, {"edges", "node_labels"});
     },
     open_heterophilous},
    {"scipy", "an .npz of scipy.sparse.save_npz (csr or coo)",
     [](const Input& i) {
       return has_arrays(i, {"format", "shape"});
     },
     open_scipy},
    {"matrix-market", "a text that begins with %%MatrixMarket",
     [](const Input& i) { return i.head.starts_with("%%MatrixMarket") || has_extension(i, {".mtx"}); },
     open_matrix_market},
    {"metis", "a .graph or .metis file",
     [](const Input& i) {
       return has_extension(i, {".graph", ".metis"});
     },
     open_metis},
    {"csv", "a .csv(.gz) file of two ids and perhaps a weight a line",
     [](const Input& i) { return has_extension(i, {".csv"}); }, open_csv_edges},
    {"snap", "a .txt, .tsv, .el, .edges or .edgelist file (.gz too) of two ids and perhaps a weight a line",
     [](const Input& i) {
       return has_extension(i, {".txt", ".tsv", ".el", ".wel", ".edges", ".edgelist", ".snap"});
     },
     open_edge_list},
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

void look_into_file(Input& input) {
  std::filesystem::path stem = input.path.filename();
  if (lower(stem.extension().string()) == ".gz") stem = stem.stem();
  input.extension = lower(stem.extension().string());
  input.name = stem.stem().string();
  const auto range = io::FileRange::whole(input.path);
  if (input.extension == ".zip") {
    input.tree = io::open_tree(input.path);
    input.name = input.tree->name();
  } else if (input.extension == ".npz") {
    input.npz = std::make_shared<io::NpzArchive>(range);
  } else {
    input.head.resize(64);
    input.head.resize(io::open_input(range)->read(input.head));
  }
}

Input look(const std::filesystem::path& path, const OpenOptions& options) {
  OPX_REQUIRE(std::filesystem::exists(path), InputError, "'{}' does not exist", path.string());
  Input input;
  input.path = path;
  input.options = options;
  if (std::filesystem::is_directory(path)) {
    input.tree = io::open_tree(path);
    input.name = input.tree->name();
  } else {
    look_into_file(input);
  }
  input.known = find_in_registry(input.name);
  return input;
}

// Whether what the path is, a folder or archive, an npz or a text, can hold the layout.
bool can_hold(const Input& input, const Layout& layout) {
  const std::string_view name = layout.name;
  const bool needs_tree = name.starts_with("ogbn") || name == "graphsaint" || name == "reddit";
  const bool needs_npz = name == "heterophilous" || name == "scipy";
  return needs_tree ? input.tree != nullptr : needs_npz ? input.npz != nullptr : !input.tree && !input.npz;
}

const Layout* find_layout(const Input& input) {
  const auto* found = std::ranges::find_if(kLayouts, [&](const Layout& l) { return l.matches(input); });
  return found == std::end(kLayouts) ? nullptr : found;
}

// What lies in a folder that is no dataset and is one itself, or "".
std::string dataset_within(const std::filesystem::path& folder, const OpenOptions& options) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->is_regular_file(error) || at->is_directory(error)) entries.push_back(at->path());
  std::ranges::sort(entries);
  constexpr std::size_t kMost = 64;
  if (entries.size() > kMost) entries.resize(kMost);
  for (const auto& entry : entries) {
    try {
      if (find_layout(look(entry, options)) != nullptr) return entry.string();
    } catch (const std::exception&) {  // one that cannot be read is no suggestion
    }
  }
  return "";
}

[[noreturn]] void fail_unknown(const Input& input) {
  std::string tried;
  for (const Layout& layout : kLayouts)
    if (can_hold(input, layout))
      tried += fmt::format("{}{} ({})", tried.empty() ? "" : ", ", layout.name, layout.looks_like);
  const std::string within =
      std::filesystem::is_directory(input.path) ? dataset_within(input.path, input.options) : "";
  throw base::InputError(
      fmt::format("'{}' is of no layout that is known{} Looked for: {}", input.path.string(),
                  within.empty() ? "." : fmt::format("; did you mean '{}'?", within), tried));
}

const Layout& choose(const Input& input) {
  if (input.options.layout == "auto") {
    const Layout* found = find_layout(input);
    if (found == nullptr) fail_unknown(input);
    return *found;
  }
  for (const Layout& layout : kLayouts)
    if (layout.name == input.options.layout) return layout;
  const auto names = layout_names();
  throw base::InvalidArgument(fmt::format("layout '{}' is not known{} (known: {})", input.options.layout,
                                          base::did_you_mean(input.options.layout, names),
                                          fmt::join(names, ", ")));
}

// A layout that was asked for by name may not fit what the path is.
void check_kind(const Input& input, const Layout& layout) {
  OPX_REQUIRE(can_hold(input, layout), InputError, "'{}' is not of the layout {}: that is {}",
              input.path.string(), layout.name, layout.looks_like);
}

// A label at or above the number of classes that is given, or known, is an error; with neither, the labels
// say how many classes there are.
void apply_class_count(const Input& input, RawDataset& data) {
  const Index given = input.options.classes;
  OPX_REQUIRE(given == 0 || data.labels.task == Task::kMultiClass, InvalidArgument,
              "a number of classes ({}) has no effect: '{}' has no labels of one class each", given,
              data.name);
  if (data.labels.task != Task::kMultiClass) return;
  const bool own_labels = input.options.labels.empty();
  const Index classes = given > 0 ? given : input.known != nullptr && own_labels ? input.known->classes : 0;
  if (classes <= 0) return;
  const auto& labels = data.labels.labels;
  const auto high = std::ranges::find_if(labels, [&](std::int32_t label) { return label >= classes; });
  if (high != labels.end())
    throw base::FormatError(input.path.string(), fmt::format("label of vertex {}", high - labels.begin()),
                            fmt::format("{} is not below the number of classes, {}{}", *high, classes,
                                        given > 0 ? "" : fmt::format(" (registry: {})", input.known->name)));
  if (given > 0) data.labels.classes = given;
}

// Options that the layout does not know are refused, not passed over.
void check_options(const OpenOptions& options, const Layout& layout) {
  const std::string_view name = layout.name;
  const bool list = name == "csv" || name == "snap";
  const bool named_splits = name.starts_with("ogbn") || name == "heterophilous";
  OPX_REQUIRE(!options.directed || list, InvalidArgument,
              "directed has no effect: it is for edge lists, this is layout {}", name);
  OPX_REQUIRE(options.vertices == 0 || list, InvalidArgument,
              "a number of vertices ({}) has no effect: it is for edge lists, layout {} has its own",
              options.vertices, name);
  OPX_REQUIRE(options.vertices >= 0 && options.vertices <= kMostVertices, InvalidArgument,
              "a number of vertices of {}; 1 to {} can be served", options.vertices, kMostVertices);
  OPX_REQUIRE(options.split_name.empty() || named_splits, InvalidArgument,
              "split name '{}' has no effect: layout {} has no splits to choose from", options.split_name,
              name);
  const bool keyed_files =
      !options.labels.empty() || !options.train.empty() || !options.valid.empty() || !options.test.empty();
  OPX_REQUIRE(!options.keyed || keyed_files, InvalidArgument,
              "keyed has no effect without a file of labels or splits");
}

}  // namespace
}  // namespace loaders

RawDataset open_dataset(const std::filesystem::path& path, const OpenOptions& options) {
  const loaders::Input input = loaders::look(path, options);
  const loaders::Layout& layout = loaders::choose(input);
  loaders::check_kind(input, layout);
  loaders::check_options(options, layout);
  RawDataset data = layout.open(input);
  loaders::read_extra_files(input, data);
  loaders::apply_class_count(input, data);
  return data;
}

std::vector<std::string> layout_names() {
  std::vector<std::string> names;
  for (const auto& layout : loaders::kLayouts) names.emplace_back(layout.name);
  return names;
}

}  // namespace opx::graph
