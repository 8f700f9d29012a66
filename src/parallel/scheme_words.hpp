// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Words on the wire of one training step in closed form, for the scatter scheme (parallel/aggregate.hpp) and
// the all-reduce scheme (parallel/allreduce3d.hpp): pure arithmetic, no ranks needed. The counters of
// comm::Traffic equal these times the bytes of a word; a test proves it.
#pragma once

#include <vector>

#include "layout/grid.hpp"

namespace opx::parallel {

/// What one step trains.
struct SchemeModel {
  Index vertices = 0;
  std::vector<Index> widths;  ///< features, hidden..., classes
  bool bias = true;
  bool cached_first_aggregation = true;  ///< scatter: layer 0 moves nothing
  bool learned_features = false;  ///< scatter: layer 0 is a layer as the others are (and is not cached)
  bool cheaper_order = true;  ///< scatter: transform first, at width D', where D' < D (else width D always)
  bool allreduce_cached_first = false;  ///< all-reduce scheme: layer 0's H kept
};

/// Words received by rank `c` in the graph layers, forward and backward, of one step. A layer 0 that is not
/// cached has no backward aggregation where it aggregates first: nobody asks for the gradient of constant
/// features.
[[nodiscard]] Index scatter_words(const SchemeModel& model, const layout::Grid& grid, layout::Coord c);
/// The same for the all-reduce scheme: H over K and Q over C forward; dH over K and dF over R backward, layer
/// 0 without backward; an all-reduce of m words in a group of g counts ceil(2 m (g - 1) / g).
[[nodiscard]] Index allreduce_words(const SchemeModel& model, const layout::Grid& grid, layout::Coord c);
/// Words of the two loss reductions (max and sum of exponentials over the class axis) of the all-reduce
/// scheme.
[[nodiscard]] Index allreduce_loss_words(const SchemeModel& model, const layout::Grid& grid, layout::Coord c);
/// Words of the weight gradients' bucket on `ranks` ranks: the same in both schemes.
[[nodiscard]] Index gradient_words(const SchemeModel& model, int ranks);

struct SchemeWords {
  layout::Grid grid;
  Index scatter = 0, allreduce = 0;  ///< graph layers, mean over the ranks, rounded down
  Index gradients = 0;               ///< both schemes
};

/// One row for every grid of `ranks` tensor ranks, in the order of layout::tensor_grids.
[[nodiscard]] std::vector<SchemeWords> compare_schemes(const SchemeModel& model, int ranks);
/// The row of least words of a scheme.
[[nodiscard]] const SchemeWords& best_scatter(const std::vector<SchemeWords>& rows);
[[nodiscard]] const SchemeWords& best_allreduce(const std::vector<SchemeWords>& rows);

}  // namespace opx::parallel
