// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A tile whose rows or columns are scattered over the store: all candidates are streamed and those outside
// are dropped.
#include <algorithm>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "parallel/tile_builder.hpp"
#include "parallel/vertex_order.hpp"

namespace opx::parallel {

namespace {

constexpr Index kEntriesPerPiece = Index{1} << 22;

/// Entries of the tile in the order in which they were read, rows and columns counted from the tile's corner.
struct Triples {
  std::vector<std::int32_t> row, col;
  std::vector<float> value;  ///< empty unless weighted
};

/// Positions that may lie in a part: the part itself in the store's order, else all.
Range candidates(const OrderedPart& part) noexcept {
  return part.order->identity() ? part.places : Range{0, part.order->vertices()};
}

/// Row (or column) of the tile, or -1.
Index inside(const OrderedPart& part, Index position) noexcept {
  const Index place = part.order->place(position);
  return part.places.contains(place) ? place - part.places.begin : -1;
}

void add_loops(const graph::Store& store, const OrderedPart& rows, const OrderedPart& cols, Range piece,
               bool weighted, Triples& out) {
  std::vector<std::uint8_t> has_loop(static_cast<std::size_t>(piece.size()));
  store.read_self_loops(piece, has_loop);
  for (Index v = piece.begin; v < piece.end; ++v) {
    const Index i = inside(rows, v), j = inside(cols, v);
    if (has_loop[static_cast<std::size_t>(v - piece.begin)] != 0 || i < 0 || j < 0) continue;
    out.row.push_back(static_cast<std::int32_t>(i));
    out.col.push_back(static_cast<std::int32_t>(j));
    if (weighted) out.value.push_back(1.0F);
  }
}

Triples read_triples(device::Context& context, const graph::Store& store, const OrderedPart& rows,
                     const OrderedPart& cols, bool add_self_loops) {
  const graph::StoreInfo& info = store.info();
  Triples out;
  const Range all_rows = candidates(rows), all_cols = candidates(cols);
  const Index degree = std::max<Index>(1, info.edges / std::max<Index>(1, info.vertices));
  const Index step = std::max<Index>(1, kEntriesPerPiece / degree);
  for (Range piece{all_rows.begin, all_rows.begin}; piece.end < all_rows.end;) {
    piece = next_piece(info, piece.end, all_rows.end, step);
    const graph::Edges edges =
        store.read_edges(context, piece, std::span(&all_cols, all_cols.size() > 0 ? 1 : 0));
    for (Index e = 0; e < edges.col.size(); ++e) {
      const Index i = inside(rows, piece.begin + edges.row[e]),
                  j = inside(cols, all_cols.begin + edges.col[e]);
      if (i < 0 || j < 0) continue;
      out.row.push_back(static_cast<std::int32_t>(i));
      out.col.push_back(static_cast<std::int32_t>(j));
      if (info.weighted) out.value.push_back(edges.value[e]);
    }
    if (add_self_loops) add_loops(store, rows, cols, piece, info.weighted, out);
  }
  return out;
}

/// Sorts by (row, column).
spmm::Csr to_csr(device::Context& context, const Triples& triples, Index rows, Index cols, bool weighted) {
  const Index nnz = std::ssize(triples.row);
  spmm::Csr csr{.rows = rows,
                .cols = cols,
                .row_offsets = device::Buffer<Index>(context, rows + 1),
                .col_ids = device::Buffer<std::int32_t>(context, nnz),
                .values = device::Buffer<float>(context, weighted ? nnz : 0)};
  std::fill(csr.row_offsets.begin(), csr.row_offsets.end(), 0);
  for (const std::int32_t r : triples.row) ++csr.row_offsets[r + 1];
  std::partial_sum(csr.row_offsets.begin(), csr.row_offsets.end(), csr.row_offsets.begin());
  std::vector<Index> order(static_cast<std::size_t>(nnz)),
      next(csr.row_offsets.begin(), csr.row_offsets.end() - 1);
  for (Index e = 0; e < nnz; ++e) {
    order[static_cast<std::size_t>(
        next[static_cast<std::size_t>(triples.row[static_cast<std::size_t>(e)])]++)] = e;
  }
  context.parallel_ranges(rows, 1024, [&](Range range) {
    for (Index r = range.begin; r < range.end; ++r) {
      const Index begin = csr.row_offsets[r], end = csr.row_offsets[r + 1];
      std::sort(order.begin() + begin, order.begin() + end, [&](Index a, Index b) {
        return triples.col[static_cast<std::size_t>(a)] < triples.col[static_cast<std::size_t>(b)];
      });
      for (Index e = begin; e < end; ++e) {
        const auto from = static_cast<std::size_t>(order[static_cast<std::size_t>(e)]);
        csr.col_ids[e] = triples.col[from];
        if (weighted) csr.values[e] = triples.value[from];
      }
    }
  });
  return csr;
}

/// s or t over a part; empty for ones.
device::Buffer<float> part_factors(device::Context& context, const graph::Store& store,
                                   const OrderedPart& part, Normalisation normalisation, bool add_self_loops,
                                   bool of_rows) {
  if (normalisation == Normalisation::kNone || (normalisation == Normalisation::kRow && !of_rows)) return {};
  std::vector<float> sums(static_cast<std::size_t>(part.places.size()));
  const Range all = candidates(part);
  for (Index begin = all.begin; begin < all.end; begin += kEntriesPerPiece) {
    const Range piece{begin, std::min(begin + kEntriesPerPiece, all.end)};
    const SlabDegrees degrees = read_degrees(store, piece, add_self_loops);
    const std::vector<float>& from = of_rows || store.info().symmetric ? degrees.row_sums : degrees.col_sums;
    for (Index v = piece.begin; v < piece.end; ++v) {
      const Index i = inside(part, v);
      if (i >= 0) sums[static_cast<std::size_t>(i)] = from[static_cast<std::size_t>(v - piece.begin)];
    }
  }
  return normalisation_factors(context, sums, normalisation);
}

}  // namespace

layout::Tile build_ordered_tile(device::Context& context, const graph::Store& store, OrderedPart rows,
                                OrderedPart cols, Normalisation normalisation, bool add_self_loops) {
  OPX_REQUIRE(std::max(rows.places.size(), cols.places.size()) <= std::numeric_limits<std::int32_t>::max(),
              InvalidArgument, "a tile of {} x {} vertices: each side has at most 2^31 - 1",
              rows.places.size(), cols.places.size());
  const Triples triples = read_triples(context, store, rows, cols, add_self_loops);
  auto csr = std::make_shared<spmm::Csr>(
      to_csr(context, triples, rows.places.size(), cols.places.size(), store.info().weighted));
  return {std::move(csr), part_factors(context, store, rows, normalisation, add_self_loops, true),
          part_factors(context, store, cols, normalisation, add_self_loops, false)};
}

}  // namespace opx::parallel
