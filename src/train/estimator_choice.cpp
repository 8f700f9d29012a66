// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/estimator_choice.hpp"

#include <algorithm>

namespace opx::train {

int sampled_aggregations(const RunConfig& config) noexcept {
  const ModelConfig& model = config.model;
  const bool exact_first = model.first_aggregation == "cached" && model.features == "given";
  return model.layers - (exact_first ? 1 : 0);
}

void resolve_estimator(RunConfig& config, const graph::StoreInfo& info) {
  MiniConfig& mini = config.mini;
  if (config.mode != "mini" || mini.estimator != "auto") return;
  const auto vertices = static_cast<double>(std::max<Index>(info.vertices, 1));
  const double ratio =
      mini.batch_size > 0 ? static_cast<double>(mini.batch_size) / vertices : mini.batch_ratio;
  const double neighbours = ratio * static_cast<double>(info.edges - info.self_loops) / vertices;
  const bool one = sampled_aggregations(config) <= 1 && config.model.kind != "sage";
  const bool unbiased = one || mini.sampler == "cluster" || info.weighted || neighbours >= kEnoughNeighbours;
  mini.estimator = unbiased ? "unbiased" : "self-normalised";
}

}  // namespace opx::train
