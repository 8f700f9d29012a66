// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What `--estimator auto` stands for (docs/sampling.md has the figures behind it).
#pragma once

#include "graph/store.hpp"
#include "train/config.hpp"

namespace opx::train {

/// Aggregations of a step that are sampled: all layers, but the first where it is exact.
[[nodiscard]] int sampled_aggregations(const RunConfig& config) noexcept;

/// Replaces estimator `auto` of a mini-batch run. `unbiased` where at most one aggregation is sampled (its
/// error is not passed on through a nonlinearity; but not of sage, whose mean over the sampled neighbours did
/// better), where sampler cluster keeps the edges within parts, where
/// a vertex has kEnoughNeighbours neighbours in a batch, and where entries have weights, whose sums may mean
/// nothing; else `self-normalised`.
void resolve_estimator(RunConfig& config, const graph::StoreInfo& info);

/// Of a vertex in a batch, in the mean: ratio x mean degree. Above, unbiased was not behind in any pair.
inline constexpr double kEnoughNeighbours = 4;

}  // namespace opx::train
