// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <string_view>
#include <unordered_map>

#include "graph/loaders/input.hpp"
#include "graph/loaders/labels.hpp"

namespace opx::graph::loaders {
namespace {

using NamedPlaces = std::unordered_map<std::string_view, Index>;

// Labels and splits whose rows name vertices by their ids in the edge list.
class KeyedFiles {
 public:
  KeyedFiles(const OpenOptions& options, RawDataset& data) : options_(options), data_(data) {
    const bool list = data.layout == "snap" || data.layout == "csv";
    OPX_REQUIRE(list, InvalidArgument, "keyed files are for edge lists, '{}' is of layout {}", data.name,
                data.layout);
    OPX_REQUIRE(options.features.empty() && options.vertices == 0, InvalidArgument,
                "keyed files are labels and splits; feature files and a number of vertices need ids that are "
                "rows, 0 to N-1");
    if (data.names)
      for (const auto& name : *data.names) places_.emplace(name, std::ssize(places_));
  }
  void read() {
    const auto find = [this](std::string_view id) { return place(id); };
    if (!options_.labels.empty()) {
      Index unknown = 0;
      data_.labels = keyed_labels(open(options_.labels), *data_.vertices, find, unknown);
      warn(options_.labels, unknown);
    }
    SplitTable splits(*data_.vertices);
    const std::pair<const std::filesystem::path*, Split> parts[] = {
        {&options_.train, Split::kTrain}, {&options_.valid, Split::kValid}, {&options_.test, Split::kTest}};
    for (const auto& [path, split] : parts) {
      if (path->empty()) continue;
      Index unknown = 0;
      splits.add_keyed(open(*path), split, find, unknown);
      warn(*path, unknown);
    }
    if (auto table = std::move(splits).finish(); !table.empty()) data_.splits = std::move(table);
  }

 private:
  [[nodiscard]] std::unique_ptr<io::InputStream> open(const std::filesystem::path& path) {
    OPX_REQUIRE(path.extension() != ".npy", InvalidArgument, "keyed file '{}' must be text", path.string());
    record_file(data_, path);
    return io::open_input(path);
  }
  [[nodiscard]] Index place(std::string_view id) const {
    if (data_.names) {
      const auto found = places_.find(id);
      return found == places_.end() ? -1 : found->second;
    }
    Index number = -1;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
    const bool good = error == std::errc() && end == id.data() + id.size();
    return good && number < *data_.vertices ? number : -1;
  }
  void warn(const std::filesystem::path& path, Index unknown) {
    if (unknown == 0) return;
    data_.warnings.push_back(
        fmt::format("{}: {} ids are in no edge and are left out", path.string(), unknown));
  }
  const OpenOptions& options_;
  RawDataset& data_;
  NamedPlaces places_;
};

}  // namespace

void read_keyed_files(const Input& input, RawDataset& data) { KeyedFiles(input.options, data).read(); }

}  // namespace opx::graph::loaders
