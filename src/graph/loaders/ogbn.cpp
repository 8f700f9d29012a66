// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/loaders/ogbn.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "graph/loaders/labels.hpp"

namespace opx::graph::loaders {
namespace {

// The folder below split/ to read, or "" where there is none.
std::string choose_split(const Input& input, const std::vector<std::string>& folders) {
  const std::string& wanted = input.options.split_name;
  const auto has = [&](const std::string& name) { return std::ranges::find(folders, name) != folders.end(); };
  OPX_REQUIRE(wanted.empty() || has(wanted), InputError, "'{}' has no split '{}' (it has: {})",
              input.path.string(), wanted, fmt::join(folders, ", "));
  if (!wanted.empty()) return wanted;
  if (input.known != nullptr && has(input.known->split)) return input.known->split;
  OPX_REQUIRE(folders.size() <= 1, InputError, "'{}' has several splits, name one with --split-name: {}",
              input.path.string(), fmt::join(folders, ", "));
  return folders.empty() ? "" : folders.front();
}

}  // namespace

void read_ogbn_splits(const Input& input, RawDataset& data) {
  const std::string name = choose_split(input, input.tree->folders("split"));
  if (name.empty()) return;
  const std::string folder = "split/" + name + "/";
  SplitTable table(*data.vertices);
  constexpr std::array<std::pair<const char*, Split>, 3> kParts = {
      {{"train", Split::kTrain}, {"valid", Split::kValid}, {"test", Split::kTest}}};
  for (const auto& [part, split] : kParts) {
    const std::string path = find_csv(*input.tree, folder + part);
    OPX_REQUIRE(!path.empty(), InputError, "'{}' is missing",
                input.tree->describe(folder + part + ".csv.gz"));
    table.add_text(input.tree->open(path), split);
    record_file(data, *input.tree, path);
  }
  if (input.tree->has_file(folder + "split_dict.pt"))
    data.warnings.push_back(input.tree->describe(folder + "split_dict.pt") +
                            " (a pickle) is not read; the csv files beside it are");
  data.splits = std::move(table).finish();
}

void refuse_heterogeneous(const Input& input) {
  const auto has = [&](const char* path) { return !find_csv(*input.tree, path).empty(); };
  const bool found = has("raw/triplet-type-list") || has("raw/num-node-dict") || has("triplet-type-list") ||
                     has("num-node-dict") || input.tree->has_file("raw/edge_index_dict.npz");
  OPX_REQUIRE(
      !found && (input.known == nullptr || !input.known->heterogeneous), InputError,
      "'{}' is a heterogeneous graph (several types of vertices and relations, as ogbn-mag), which is not "
      "served; export one relation as a homogeneous graph",
      input.path.string());
}

}  // namespace opx::graph::loaders
