// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/vertex_data.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "graph/splits.hpp"

namespace opx::graph {
namespace {

void check_classes(const std::string& name, LabelData& l) {
  const std::int32_t most = l.labels.empty() ? -1 : *std::max_element(l.labels.begin(), l.labels.end());
  if (l.classes == 0) l.classes = Index{most} + 1;
  const auto bad = std::find_if(l.labels.begin(), l.labels.end(),
                                [&](std::int32_t x) { return x < -1 || x >= l.classes; });
  if (bad != l.labels.end())
    throw base::FormatError(name, fmt::format("vertex {}", bad - l.labels.begin()),
                            fmt::format("label {} is not among {} classes", *bad, l.classes));
}

void check_targets(const std::string& name, const LabelData& l) {
  const auto bad = std::find_if(l.targets.begin(), l.targets.end(),
                                [](float t) { return !std::isnan(t) && t != 0.0F && t != 1.0F; });
  if (bad != l.targets.end())
    throw base::FormatError(name, fmt::format("vertex {}", (bad - l.targets.begin()) / l.classes),
                            fmt::format("target {} is neither 0 nor 1", *bad));
}

template <class T>
std::vector<T> in_position_order(const std::vector<T>& by_id, std::span<const Index> original) {
  std::vector<T> out(by_id.size());
  for (std::size_t p = 0; p < original.size(); ++p) out[p] = by_id[static_cast<std::size_t>(original[p])];
  return out;
}

void write_labels(const LabelData& l, std::span<const Index> original, StoreWriter& writer, StoreInfo& info) {
  info.task = l.task;
  info.classes = l.task == Task::kNone ? 0 : l.classes;
  if (l.task == Task::kMultiClass) writer.write_labels(in_position_order(l.labels, original));
  if (l.task != Task::kMultiLabel) return;
  std::vector<float> targets(l.targets.size());
  for (std::size_t p = 0; p < original.size(); ++p)
    std::copy_n(l.targets.begin() + original[p] * l.classes, l.classes,
                targets.begin() + static_cast<Index>(p) * l.classes);
  writer.write_targets(targets, l.classes);
}

}  // namespace

Index described_vertices(const RawDataset& input) {
  Index count = static_cast<Index>(std::max(input.labels.labels.size(), input.splits.size()));
  if (input.labels.classes > 0)
    count = std::max(count, static_cast<Index>(input.labels.targets.size()) / input.labels.classes);
  if (input.names) count = std::max(count, static_cast<Index>(input.names->size()));
  return count;
}

void check_vertex_data(RawDataset& input, Index vertices) {
  LabelData& l = input.labels;
  const auto fits = [&](std::size_t got, Index want, const char* what) {
    if (static_cast<Index>(got) != want)
      throw base::FormatError(input.name, "", fmt::format("{} {} for {} vertices", got, what, vertices));
  };
  if (!input.splits.empty()) fits(input.splits.size(), vertices, "splits");
  if (input.names && !input.names->empty()) fits(input.names->size(), vertices, "names");
  if (l.task == Task::kMultiClass) {
    fits(l.labels.size(), vertices, "labels");
    check_classes(input.name, l);
  } else if (l.task == Task::kMultiLabel) {
    OPX_REQUIRE(l.classes > 0, InvalidArgument, "{}: multi-label targets of no tasks", input.name);
    fits(l.targets.size(), vertices * l.classes, "targets");
    check_targets(input.name, l);
  }
}

void write_vertex_data(RawDataset& input, std::span<const Index> original, const PrepareOptions& options,
                       StoreWriter& writer, StoreInfo& info) {
  const auto n = static_cast<Index>(original.size());
  writer.write_original_ids(original);
  write_labels(input.labels, original, writer, info);
  std::vector<Split> splits = std::move(input.splits);
  if (!options.split.empty()) {
    OPX_REQUIRE(input.labels.task != Task::kNone, InvalidArgument,
                "a split of labelled vertices was asked for, but '{}' has no labels", input.name);
    splits = draw_splits(labelled_vertices(input.labels, n), parse_split(options.split), options.split_seed);
  }
  splits.resize(original.size(), Split::kNone);
  info.train = std::count(splits.begin(), splits.end(), Split::kTrain);
  info.valid = std::count(splits.begin(), splits.end(), Split::kValid);
  info.test = std::count(splits.begin(), splits.end(), Split::kTest);
  writer.write_splits(in_position_order(splits, original));
  if (input.names && !input.names->empty()) writer.write_names(*input.names);
}

}  // namespace opx::graph
