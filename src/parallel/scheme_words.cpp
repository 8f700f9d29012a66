// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/scheme_words.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace opx::parallel {

namespace {

Index layers(const SchemeModel& model) {
  OPX_REQUIRE(model.widths.size() >= 2, InvalidArgument,
              "{} widths: a model has features and classes at least", model.widths.size());
  return std::ssize(model.widths) - 1;
}

Index width(const SchemeModel& model, Index l) { return model.widths[static_cast<std::size_t>(l)]; }

Index all_reduce_words(Index words, Index group) { return ceil_div(2 * words * (group - 1), group); }

/// What a rank has of the all-reduce scheme's matrices in one layer.
struct Plane {
  Index rows_r, rows_k, cols_c, next_cols_k;
};
Plane plane(const SchemeModel& model, const layout::Grid& grid, layout::Coord c, Index l) {
  const layout::Roles roles = layout::roles_of(l);
  return {even_range(model.vertices, grid.size(roles.r), c[roles.r]).size(),
          even_range(model.vertices, grid.size(roles.k), c[roles.k]).size(),
          layout::split_columns(width(model, l), grid.size(roles.c), c[roles.c]).size(),
          layout::split_columns(width(model, l + 1), grid.size(roles.k), c[roles.k]).size()};
}

const SchemeWords& least(const std::vector<SchemeWords>& rows, Index SchemeWords::*words) {
  OPX_REQUIRE(!rows.empty(), InvalidArgument, "no grids to compare");
  return *std::min_element(rows.begin(), rows.end(),
                           [&](const SchemeWords& a, const SchemeWords& b) { return a.*words < b.*words; });
}

}  // namespace

Index scatter_words(const SchemeModel& model, const layout::Grid& grid, layout::Coord c) {
  const Index rows = ceil_div(model.vertices, grid.tensor_ranks());
  Index words = 0;
  for (Index l = 0; l < layers(model); ++l) {
    const bool constant = l == 0 && !model.learned_features;
    if (constant && model.cached_first_aggregation) continue;
    const bool transform_first = model.cheaper_order && width(model, l + 1) < width(model, l);
    const Index d = transform_first ? width(model, l + 1) : width(model, l);
    const layout::Roles roles = layout::roles_of(l);
    words += layout::aggregate_words(grid, roles, c, rows, d, false).total();
    if (!constant || transform_first) words += layout::aggregate_words(grid, roles, c, rows, d, true).total();
  }
  return words;
}

Index allreduce_words(const SchemeModel& model, const layout::Grid& grid, layout::Coord c) {
  Index words = 0;
  for (Index l = 0; l < layers(model); ++l) {
    const layout::Roles roles = layout::roles_of(l);
    const Plane p = plane(model, grid, c, l);
    if (l > 0 || !model.allreduce_cached_first)
      words += all_reduce_words(p.rows_r * p.cols_c, grid.size(roles.k));
    words += all_reduce_words(p.rows_r * p.next_cols_k, grid.size(roles.c));
    if (l == 0) continue;
    words += all_reduce_words(p.rows_r * p.cols_c, grid.size(roles.k));
    words += all_reduce_words(p.rows_k * p.cols_c, grid.size(roles.r));
  }
  return words;
}

Index allreduce_loss_words(const SchemeModel& model, const layout::Grid& grid, layout::Coord c) {
  const Index last = layers(model) - 1;
  return 2 * all_reduce_words(plane(model, grid, c, last).rows_r, grid.size(layout::roles_of(last).k));
}

Index gradient_words(const SchemeModel& model, int ranks) {
  Index parameters = 0;
  for (Index l = 0; l < layers(model); ++l) {
    parameters += width(model, l) * width(model, l + 1) + (model.bias ? width(model, l + 1) : 0);
  }
  return all_reduce_words(parameters, ranks);
}

std::vector<SchemeWords> compare_schemes(const SchemeModel& model, int ranks) {
  std::vector<SchemeWords> rows;
  for (const layout::Grid& grid : layout::tensor_grids(ranks)) {
    SchemeWords row{.grid = grid, .gradients = gradient_words(model, ranks)};
    for (int r = 0; r < ranks; ++r) {
      row.scatter += scatter_words(model, grid, grid.coord_of(r));
      row.allreduce += allreduce_words(model, grid, grid.coord_of(r));
    }
    row.scatter /= ranks;
    row.allreduce /= ranks;
    rows.push_back(row);
  }
  return rows;
}

const SchemeWords& best_scatter(const std::vector<SchemeWords>& rows) {
  return least(rows, &SchemeWords::scatter);
}
const SchemeWords& best_allreduce(const std::vector<SchemeWords>& rows) {
  return least(rows, &SchemeWords::allreduce);
}

}  // namespace opx::parallel
