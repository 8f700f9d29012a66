// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/grid_choice.hpp"

#include "base/error.hpp"
#include "parallel/scheme_words.hpp"

namespace opx::train {

namespace {

std::string grids_of(int ranks) {
  std::string text;
  const std::vector<layout::Grid> grids = layout::tensor_grids(ranks);
  constexpr std::size_t kShown = 12;
  for (std::size_t i = 0; i < grids.size() && i < kShown; ++i)
    text += (i == 0 ? "" : ", ") + layout::to_string(grids[i]);
  return grids.size() > kShown ? text + ", ..." : text;
}

layout::Grid fewest_words(const RunConfig& config, int ranks, const GridProblem& problem) {
  parallel::SchemeModel model;
  model.vertices = problem.vertices;
  model.widths = layer_widths(config.model, problem.features, problem.classes);
  model.cached_first_aggregation =
      config.model.first_aggregation == "cached" && config.model.features == "given";
  model.cheaper_order = config.model.order == "auto";
  const std::vector<parallel::SchemeWords> rows = parallel::compare_schemes(model, ranks);
  return config.scheme == "allreduce" ? parallel::best_allreduce(rows).grid
                                      : parallel::best_scatter(rows).grid;
}

}  // namespace

std::vector<Index> layer_widths(const ModelConfig& model, Index features, Index classes) {
  std::vector<Index> widths = {features};
  for (int layer = 0; layer + 1 < model.layers; ++layer) {
    const auto i = static_cast<std::size_t>(layer);
    widths.push_back(model.hidden.size() == 1 ? model.hidden.front() : model.hidden.at(i));
  }
  widths.push_back(classes);
  return widths;
}

layout::Grid resolve_grid(const RunConfig& config, int ranks, const GridProblem& problem) {
  if (config.grid == "auto") return fewest_words(config, ranks, problem);
  const layout::Grid grid = layout::parse_grid(config.grid);
  OPX_REQUIRE(
      grid.gd == 1 || config.mode == "mini", InvalidArgument,
      "grid {} has a data axis of {}: its replicas would all compute the same full-graph step; the data axis "
      "is for mini-batches",
      layout::to_string(grid), grid.gd);
  OPX_REQUIRE(grid.ranks() == ranks, InvalidArgument,
              "grid {} takes {} ranks, but there {} {}; grids that fit: {}", layout::to_string(grid),
              grid.ranks(), ranks == 1 ? "is" : "are", ranks, grids_of(ranks));
  return grid;
}

}  // namespace opx::train
