// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to parallel/: an order of all vertices that differs from the store's, as the double permutation
// needs, the tiles between two orders, and the way between a rank's own rows and a plane of the all-reduce
// scheme.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "device/context.hpp"
#include "graph/store.hpp"
#include "layout/graph_shard.hpp"
#include "parallel/process_grid.hpp"
#include "parallel/shard_loader.hpp"
#include "tensor/matrix.hpp"

namespace opx::parallel {

/// A permutation of the positions: vertex at position p has place place(p). Holds two tables of N 32-bit
/// numbers unless it is the identity.
class VertexOrder {
 public:
  /// The store's order.
  explicit VertexOrder(Index vertices) : vertices_(vertices) {}
  /// A keyed random permutation of it. Throws InvalidArgument from 2^31 vertices on.
  VertexOrder(Index vertices, std::uint64_t seed);

  [[nodiscard]] Index vertices() const noexcept { return vertices_; }
  [[nodiscard]] bool identity() const noexcept { return place_.empty(); }
  [[nodiscard]] Index place(Index position) const noexcept {
    return identity() ? position : place_[static_cast<std::size_t>(position)];
  }
  [[nodiscard]] Index position(Index at) const noexcept {
    return identity() ? at : position_[static_cast<std::size_t>(at)];
  }
  /// Positions of the vertices at the places of `part`.
  [[nodiscard]] std::vector<Index> positions(Range part) const;

 private:
  Index vertices_;
  std::vector<std::int32_t> place_, position_;
};

/// Places of one part of an order.
struct OrderedPart {
  const VertexOrder* order = nullptr;
  Range places;
  friend bool operator==(const OrderedPart&, const OrderedPart&) = default;
};

/// The tile of A with the rows and the columns given, in order of place, and its factors. Streams the store.
[[nodiscard]] layout::Tile build_ordered_tile(device::Context& context, const graph::Store& store,
                                              OrderedPart rows, OrderedPart cols, Normalisation normalisation,
                                              bool add_self_loops);

/// Rows cut over one axis by even_range of the places, columns over another as split_columns; every rank of
/// the third axis holds the same. Own rows: block_range of the positions, at full width.
class Plane {
 public:
  Plane(ProcessGrid& grid, const VertexOrder& order, layout::Axis rows, layout::Axis cols)
      : grid_(grid), order_(order), rows_(rows), cols_(cols) {}

  [[nodiscard]] Range places() const noexcept { return places_of(grid_.coord()); }
  [[nodiscard]] Range columns(Index width) const noexcept { return columns_of(grid_.coord(), width); }

  /// Own rows x width -> this rank's part of the plane. Collective over grid.tensor().
  [[nodiscard]] tensor::Matrix<float> from_own_rows(device::Context& context,
                                                    tensor::MatrixView<const float> own,
                                                    comm::CommPurpose purpose) const;
  /// The reverse; the ranks of the third axis take turns with the rows, so that each row travels once. Rows
  /// of `own` past the block become 0. Collective over grid.tensor().
  void to_own_rows(device::Context& context, tensor::MatrixView<const float> plane,
                   tensor::MatrixView<float> own, comm::CommPurpose purpose) const;

 private:
  [[nodiscard]] layout::Axis third() const noexcept;
  [[nodiscard]] Range places_of(const layout::Coord& c) const noexcept;
  [[nodiscard]] Range columns_of(const layout::Coord& c, Index width) const noexcept;
  [[nodiscard]] Range own_positions() const noexcept;
  /// Rows of this rank's part (counted from its start) by rising position.
  [[nodiscard]] std::vector<Index> part_by_position() const;

  ProcessGrid& grid_;
  const VertexOrder& order_;
  layout::Axis rows_, cols_;
};

}  // namespace opx::parallel
