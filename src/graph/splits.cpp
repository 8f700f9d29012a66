// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/splits.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

namespace opx::graph {

std::array<double, 3> parse_split(std::string_view text) {
  const auto parts = base::split_text(text, '/');
  OPX_REQUIRE(parts.size() == 3, InvalidArgument,
              "split '{}' is not of the form train/valid/test, such as 0.6/0.2/0.2", text);
  std::array<double, 3> fractions{};
  double sum = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    char* end = nullptr;
    fractions[i] = std::strtod(parts[i].c_str(), &end);
    OPX_REQUIRE(!parts[i].empty() && *end == '\0' && fractions[i] >= 0 && fractions[i] <= 1, InvalidArgument,
                "split '{}': '{}' is not a fraction between 0 and 1", text, parts[i]);
    sum += fractions[i];
  }
  OPX_REQUIRE(sum > 0 && sum <= 1 + 1e-9, InvalidArgument, "split '{}' sums to {}", text, sum);
  return fractions;
}

std::vector<std::uint8_t> labelled_vertices(const LabelData& labels, Index vertices) {
  std::vector<std::uint8_t> has(static_cast<std::size_t>(vertices), 0);
  if (labels.task == Task::kMultiClass)
    std::transform(labels.labels.begin(), labels.labels.end(), has.begin(),
                   [](std::int32_t l) { return static_cast<std::uint8_t>(l >= 0); });
  if (labels.task == Task::kMultiLabel)
    for (std::size_t i = 0; i < labels.targets.size(); ++i)
      if (!std::isnan(labels.targets[i])) has[i / static_cast<std::size_t>(labels.classes)] = 1;
  return has;
}

std::vector<Split> draw_splits(const std::vector<std::uint8_t>& labelled,
                               const std::array<double, 3>& fractions, std::uint64_t seed) {
  const auto count = static_cast<Index>(std::count(labelled.begin(), labelled.end(), std::uint8_t{1}));
  std::array<Index, 4> bound{};
  double sum = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    sum += fractions[i];
    bound[i + 1] = std::min(count, static_cast<Index>(std::llround(sum * static_cast<double>(count))));
  }
  const base::KeyedPermutation shuffle({.seed = seed, .purpose = base::Purpose::kSplit}, 0, count);
  std::vector<Split> splits(labelled.size(), Split::kNone);
  Index next = 0;
  for (std::size_t v = 0; v < labelled.size(); ++v) {
    if (labelled[v] == 0) continue;
    const Index slot = shuffle(next++);
    if (slot < bound[1])
      splits[v] = Split::kTrain;
    else if (slot < bound[2])
      splits[v] = Split::kValid;
    else if (slot < bound[3])
      splits[v] = Split::kTest;
  }
  return splits;
}

}  // namespace opx::graph
