// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/vertex_order.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "layout/placement.hpp"
#include "parallel/tile_builder.hpp"
#include "tensor/elementwise.hpp"

namespace opx::parallel {

using tensor::Matrix;
using tensor::MatrixView;

VertexOrder::VertexOrder(Index vertices, std::uint64_t seed) : vertices_(vertices) {
  OPX_REQUIRE(vertices <= std::numeric_limits<std::int32_t>::max(), InvalidArgument,
              "{} vertices: a second permutation has at most 2^31 - 1", vertices);
  const base::KeyedPermutation permutation({seed, base::Purpose::kOrder}, 0, std::max<Index>(vertices, 1));
  place_.resize(static_cast<std::size_t>(vertices));
  position_.resize(place_.size());
  for (Index p = 0; p < vertices; ++p) {
    const Index at = permutation(p);
    place_[static_cast<std::size_t>(p)] = static_cast<std::int32_t>(at);
    position_[static_cast<std::size_t>(at)] = static_cast<std::int32_t>(p);
  }
}

std::vector<Index> VertexOrder::positions(Range part) const {
  std::vector<Index> positions(static_cast<std::size_t>(part.size()));
  for (Index i = 0; i < part.size(); ++i) positions[static_cast<std::size_t>(i)] = position(part.begin + i);
  return positions;
}

layout::Axis Plane::third() const noexcept {
  return static_cast<layout::Axis>(3 - static_cast<int>(rows_) - static_cast<int>(cols_));
}

Range Plane::places_of(const layout::Coord& c) const noexcept {
  return even_range(order_.vertices(), grid_.grid().size(rows_), c[rows_]);
}

Range Plane::columns_of(const layout::Coord& c, Index width) const noexcept {
  return layout::split_columns(width, grid_.grid().size(cols_), c[cols_]);
}

Range Plane::own_positions() const noexcept {
  return layout::block_range(order_.vertices(), grid_.grid().tensor_ranks(), grid_.tensor().rank());
}

std::vector<Index> Plane::part_by_position() const {
  const Range part = places();
  std::vector<Index> rows(static_cast<std::size_t>(part.size()));
  std::iota(rows.begin(), rows.end(), Index{0});
  if (!order_.identity()) {
    std::sort(rows.begin(), rows.end(), [&](Index a, Index b) {
      return order_.position(part.begin + a) < order_.position(part.begin + b);
    });
  }
  return rows;
}

Matrix<float> Plane::from_own_rows(device::Context& context, MatrixView<const float> own,
                                   comm::CommPurpose purpose) const {
  const layout::Grid& grid = grid_.grid();
  const Index n = order_.vertices(), width = own.cols;
  const Range home = own_positions();
  const auto ranks = static_cast<std::size_t>(grid.tensor_ranks());
  // Sent to each rank: my rows in its part, by rising position, with its columns.
  std::vector<float> sent;
  std::vector<Index> send_counts(ranks, 0), receive_counts(ranks, 0);
  for (std::size_t q = 0; q < ranks; ++q) {
    const layout::Coord c = grid.coord_of(static_cast<int>(q));
    const Range part = places_of(c), columns = columns_of(c, width);
    const std::size_t before = sent.size();
    for (Index v = home.begin; v < home.end; ++v) {
      if (!part.contains(order_.place(v))) continue;
      const float* row = own.row(v - home.begin);
      sent.insert(sent.end(), row + columns.begin, row + columns.end);
    }
    send_counts[q] = static_cast<Index>(sent.size() - before);
  }
  const Range part = places(), columns = this->columns(width);
  const std::vector<Index> rows = part_by_position();
  for (const Index row : rows) {
    receive_counts[static_cast<std::size_t>(
        even_part(n, grid.tensor_ranks(), order_.position(part.begin + row)))] += columns.size();
  }
  std::vector<float> received(static_cast<std::size_t>(part.size() * columns.size()));
  grid_.tensor().all_to_all_v<float>(sent, send_counts, received, receive_counts, purpose);
  Matrix<float> plane(context, part.size(), columns.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(received.data() + static_cast<Index>(i) * columns.size(), columns.size(),
                plane.view().row(rows[i]));
  }
  return plane;
}

void Plane::to_own_rows(device::Context& context, MatrixView<const float> plane, MatrixView<float> own,
                        comm::CommPurpose purpose) const {
  const layout::Grid& grid = grid_.grid();
  const Index n = order_.vertices(), width = own.cols, turns = grid.size(third());
  const Range part = places(), home = own_positions();
  const auto ranks = static_cast<std::size_t>(grid.tensor_ranks());
  std::vector<Index> send_counts(ranks, 0), receive_counts(ranks, 0);
  std::vector<float> sent;
  for (const Index row : part_by_position()) {
    if (row % turns != grid_.coord()[third()]) continue;
    sent.insert(sent.end(), plane.row(row), plane.row(row) + plane.cols);
    send_counts[static_cast<std::size_t>(
        even_part(n, grid.tensor_ranks(), order_.position(part.begin + row)))] += plane.cols;
  }
  // The ranks that send row v: its part of the row axis, its turn of the third axis, all of the column axis.
  const auto senders_of = [&](Index v, auto&& visit) {
    const Index place = order_.place(v), parts = grid.size(rows_), p = even_part(n, parts, place);
    layout::Coord c;
    c[rows_] = static_cast<int>(p);
    c[third()] = static_cast<int>((place - even_range(n, parts, p).begin) % turns);
    for (c[cols_] = 0; c[cols_] < grid.size(cols_); ++c[cols_])
      visit(static_cast<std::size_t>(grid.rank_of(c)), columns_of(c, width));
  };
  for (Index v = home.begin; v < home.end; ++v) {
    senders_of(v, [&](std::size_t q, Range columns) { receive_counts[q] += columns.size(); });
  }
  std::vector<Index> next(ranks, 0);
  std::exclusive_scan(receive_counts.begin(), receive_counts.end(), next.begin(), Index{0});
  std::vector<float> received(static_cast<std::size_t>(home.size() * width));
  grid_.tensor().all_to_all_v<float>(sent, send_counts, received, receive_counts, purpose);
  tensor::fill(context, 0.0F, own);
  for (Index v = home.begin; v < home.end; ++v) {
    senders_of(v, [&](std::size_t q, Range columns) {
      std::copy_n(received.data() + next[q], columns.size(), own.row(v - home.begin) + columns.begin);
      next[q] += columns.size();
    });
  }
}

}  // namespace opx::parallel
