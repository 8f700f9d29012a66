// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The grid of a run: the one asked for, or the one whose aggregations move the fewest words.
#pragma once

#include <vector>

#include "layout/grid.hpp"
#include "train/config.hpp"

namespace opx::train {

/// What the choice depends on besides the model.
struct GridProblem {
  Index vertices = 0;
  Index features = 0;  ///< width of the input (feature_dim of the configuration where features are learned)
  Index classes = 0;
};

/// Width of every layer boundary: input, hidden..., classes.
[[nodiscard]] std::vector<Index> layer_widths(const ModelConfig& model, Index features, Index classes);

/// The grid of `ranks` ranks that config.grid names, "auto" being that of fewest words on the wire in a step
/// under config.scheme. Pure arithmetic: the same on every rank. Throws InvalidArgument where the grid does
/// not fit the number of ranks (naming the grids that do) or has a data axis, which full-graph training has
/// no use for. "auto" never has one.
[[nodiscard]] layout::Grid resolve_grid(const RunConfig& config, int ranks, const GridProblem& problem);

}  // namespace opx::train
