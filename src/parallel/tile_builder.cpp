// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/tile_builder.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.hpp"
#include "layout/placement.hpp"

namespace opx::parallel {

namespace {

constexpr Index kEntriesPerPiece = Index{1} << 22;
constexpr Index kRowGrain = 1024;

using Entry = std::pair<std::int32_t, float>;

/// Collects rows in order. Entries live in a few large chunks until their number is known; a chunk that holds
/// exactly all of them becomes the result without a copy.
class RowCollector {
 public:
  RowCollector(device::Context& context, Index rows, Index cols, bool weighted, Index expected)
      : context_(context), weighted_(weighted), expected_(expected) {
    csr_.rows = rows;
    csr_.cols = cols;
    csr_.row_offsets = device::Buffer<Index>(context, rows + 1);
    csr_.row_offsets[0] = 0;
  }

  /// Space for the entries of the next rows; row r of them ends at row_ends[r] entries from its start.
  struct Target {
    std::int32_t* cols;
    float* values;  ///< null unless weighted
  };
  Target append(std::span<const Index> row_ends) {
    const Index entries = row_ends.empty() ? 0 : row_ends.back();
    const Index before = csr_.row_offsets[next_row_];
    for (const Index end : row_ends) csr_.row_offsets[++next_row_] = before + end;
    if (chunks_.empty() || chunks_.back().used + entries > chunks_.back().cols.size()) {
      const Index size = std::max(entries, chunks_.empty() ? expected_ : entries);
      chunks_.push_back({{context_, size}, {context_, weighted_ ? size : 0}});
    }
    Chunk& chunk = chunks_.back();
    const Index at = std::exchange(chunk.used, chunk.used + entries);
    return {chunk.cols.data() + at, weighted_ ? chunk.values.data() + at : nullptr};
  }
  /// Rows up to `row` that nothing was appended for are empty.
  void pad_to(Index row) {
    while (next_row_ < row) {
      csr_.row_offsets[next_row_ + 1] = csr_.row_offsets[next_row_];
      ++next_row_;
    }
  }

  spmm::Csr finish() {
    pad_to(csr_.rows);
    const Index nnz = csr_.row_offsets[csr_.rows];  // csr_ has no entries yet
    if (chunks_.size() == 1 && chunks_[0].cols.size() == nnz) {
      csr_.col_ids = std::move(chunks_[0].cols);
      csr_.values = std::move(chunks_[0].values);
      return std::move(csr_);
    }
    csr_.col_ids = device::Buffer<std::int32_t>(context_, nnz);
    csr_.values = device::Buffer<float>(context_, weighted_ ? nnz : 0);
    Index at = 0;
    for (Chunk& chunk : chunks_) {
      std::copy_n(chunk.cols.begin(), chunk.used, csr_.col_ids.begin() + at);
      if (weighted_) std::copy_n(chunk.values.begin(), chunk.used, csr_.values.begin() + at);
      at += chunk.used;
      chunk = {};
    }
    return std::move(csr_);
  }

 private:
  struct Chunk {
    device::Buffer<std::int32_t> cols;
    device::Buffer<float> values;
    Index used = 0;
  };
  device::Context& context_;
  bool weighted_;
  Index expected_;
  spmm::Csr csr_;
  Index next_row_ = 0;
  std::vector<Chunk> chunks_;
};

/// The entries of some consecutive rows of one block, as read.
struct Piece {
  Range rows;  ///< positions
  graph::Edges edges;
  std::vector<Index> starts;           ///< of each row in edges, and the end
  std::vector<std::uint8_t> has_loop;  ///< a diagonal entry is there; empty where none is to be added
  Index diagonal = 0;                  ///< column in the tile of the first row's diagonal entry
};

/// One row into place: columns mapped to slab order, a missing diagonal entry put in.
class RowWriter {
 public:
  RowWriter(const Slab& cols, const Piece& piece) : cols_(cols), piece_(piece) {}

  [[nodiscard]] bool adds_loop(Index r) const {
    return !piece_.has_loop.empty() && piece_.has_loop[static_cast<std::size_t>(r)] == 0;
  }
  void write(Index r, std::int32_t* to, float* values) {
    const Index begin = piece_.starts[static_cast<std::size_t>(r)],
                end = piece_.starts[static_cast<std::size_t>(r) + 1];
    if (values == nullptr) {
      write_pattern(r, begin, end, to);
    } else {
      write_values(r, begin, end, to, values);
    }
  }

 private:
  [[nodiscard]] std::int32_t column(Index e) const {
    const std::int32_t c = piece_.edges.col[e];
    return cols_.slab_index().empty() ? c : cols_.slab_index()[static_cast<std::size_t>(c)];
  }
  void write_pattern(Index r, Index begin, Index end, std::int32_t* to) const {
    std::int32_t* last = to;
    for (Index e = begin; e < end; ++e) *last++ = column(e);
    if (!cols_.ascending()) std::sort(to, last);
    if (!adds_loop(r)) return;
    const auto diagonal = static_cast<std::int32_t>(piece_.diagonal + r);
    std::int32_t* at = std::upper_bound(to, last, diagonal);
    std::copy_backward(at, last, last + 1);
    *at = diagonal;
  }
  void write_values(Index r, Index begin, Index end, std::int32_t* to, float* values) {
    row_.clear();
    for (Index e = begin; e < end; ++e) row_.emplace_back(column(e), piece_.edges.value[e]);
    if (adds_loop(r)) row_.emplace_back(static_cast<std::int32_t>(piece_.diagonal + r), 1.0F);
    std::sort(row_.begin(), row_.end(), [](const Entry& a, const Entry& b) { return a.first < b.first; });
    for (const Entry& e : row_) *to++ = e.first, *values++ = e.second;
  }

  const Slab& cols_;
  const Piece& piece_;
  std::vector<Entry> row_;
};

Piece read_piece(device::Context& context, const graph::Store& store, Range rows, const Slab& cols) {
  Piece piece{
      .rows = rows, .edges = store.read_edges(context, rows, cols.rising()), .starts = {}, .has_loop = {}};
  const Index entries = piece.edges.col.size();
  OPX_REQUIRE(
      piece.edges.row.size() == entries && (!store.info().weighted || piece.edges.value.size() == entries),
      InternalError, "the store gave {} rows and {} values for {} columns", piece.edges.row.size(),
      piece.edges.value.size(), entries);
  piece.starts.assign(static_cast<std::size_t>(rows.size()) + 1, 0);
  for (const std::int32_t row : piece.edges.row.span()) ++piece.starts[static_cast<std::size_t>(row) + 1];
  std::partial_sum(piece.starts.begin(), piece.starts.end(), piece.starts.begin());
  return piece;
}

void append_piece(device::Context& context, const Slab& cols, const Piece& piece, RowCollector& collector) {
  const Index rows = piece.rows.size();
  std::vector<Index> ends(static_cast<std::size_t>(rows));
  const RowWriter probe(cols, piece);
  Index end = 0;
  for (Index r = 0; r < rows; ++r) {
    end += piece.starts[static_cast<std::size_t>(r) + 1] - piece.starts[static_cast<std::size_t>(r)] +
           (probe.adds_loop(r) ? 1 : 0);
    ends[static_cast<std::size_t>(r)] = end;
  }
  const RowCollector::Target target = collector.append(ends);
  context.parallel_ranges(rows, kRowGrain, [&](Range range) {
    RowWriter writer(cols, piece);
    for (Index r = range.begin; r < range.end; ++r) {
      const Index at = r == 0 ? 0 : ends[static_cast<std::size_t>(r) - 1];
      writer.write(r, target.cols + at, target.values == nullptr ? nullptr : target.values + at);
    }
  });
}

/// Entries of the whole tile where both slabs are the whole graph, else 0 (not known).
Index known_entries(const graph::StoreInfo& info, const Slab& rows, const Slab& cols, bool add_self_loops) {
  if (!rows.whole() || !cols.whole()) return 0;
  return info.edges + (add_self_loops ? info.vertices - info.self_loops : 0);
}

Index rows_per_piece(const graph::StoreInfo& info, const Slab& cols) {
  const double entries_per_row =
      static_cast<double>(info.edges) / static_cast<double>(std::max<Index>(1, info.vertices)) *
      static_cast<double>(cols.vertices()) / static_cast<double>(std::max<Index>(1, info.vertices));
  return std::max<Index>(
      1, static_cast<Index>(static_cast<double>(kEntriesPerPiece) / std::max(entries_per_row, 1.0)));
}

}  // namespace

Slab::Slab(Index vertices, int blocks_of_grid, std::vector<int> blocks)
    : total_(vertices),
      padded_(layout::padded_rows(vertices, blocks_of_grid)),
      parts_(blocks_of_grid),
      blocks_(std::move(blocks)) {
  OPX_REQUIRE(
      size() <= std::numeric_limits<std::int32_t>::max(), InvalidArgument,
      "a slab of {} vertices: a tile has at most 2^31 - 1 rows and columns; use a grid with more ranks",
      size());
  std::vector<std::size_t> order(blocks_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return blocks_[a] < blocks_[b]; });
  bool identity = true;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Range range = positions(order[i]);
    ascending_ = ascending_ && order[i] == i;
    if (range.size() == 0) continue;
    identity = identity && begin(order[i]) == vertices_;
    vertices_ += range.size();
    if (!rising_.empty() && rising_.back().end == range.begin) {
      rising_.back().end = range.end;
    } else {
      rising_.push_back(range);
    }
  }
  if (identity) return;
  slab_index_.reserve(static_cast<std::size_t>(vertices_));
  for (const std::size_t i : order) {
    for (Index v = 0; v < positions(i).size(); ++v)
      slab_index_.push_back(static_cast<std::int32_t>(begin(i) + v));
  }
}

Range Slab::positions(std::size_t i) const noexcept {
  return layout::block_range(total_, parts_, blocks_[i]);
}

Index Slab::find(int block) const noexcept {
  const auto at = std::find(blocks_.begin(), blocks_.end(), block);
  return at == blocks_.end() ? -1 : at - blocks_.begin();
}

spmm::Csr build_tile(device::Context& context, const graph::Store& store, const Slab& rows, const Slab& cols,
                     bool add_self_loops) {
  const graph::StoreInfo& info = store.info();
  RowCollector collector(context, rows.size(), cols.size(), info.weighted,
                         known_entries(info, rows, cols, add_self_loops));
  const Index step = rows_per_piece(info, cols);
  for (std::size_t i = 0; i < rows.blocks().size(); ++i) {
    collector.pad_to(rows.begin(i));
    const Range block = rows.positions(i);
    const Index home = cols.find(rows.blocks()[i]);  // of this block's diagonal
    for (Range rows_read{block.begin, block.begin}; rows_read.end < block.end;) {
      rows_read = next_piece(info, rows_read.end, block.end, step);
      Piece piece = read_piece(context, store, rows_read, cols);
      if (add_self_loops && home >= 0) {
        piece.has_loop.resize(static_cast<std::size_t>(piece.rows.size()));
        store.read_self_loops(piece.rows, piece.has_loop);
        piece.diagonal = cols.begin(static_cast<std::size_t>(home)) + rows_read.begin - block.begin;
      }
      append_piece(context, cols, piece, collector);
    }
  }
  return collector.finish();
}

Range next_piece(const graph::StoreInfo& info, Index begin, Index end, Index rows) noexcept {
  const Index last = std::min(begin + rows, end) - 1;
  const Index tile = even_part(info.vertices, info.tiles_per_side, last);
  return {begin, std::min(end, even_range(info.vertices, info.tiles_per_side, tile).end)};
}

SlabDegrees read_degrees(const graph::Store& store, Range positions, bool add_self_loops) {
  const auto size = static_cast<std::size_t>(positions.size());
  SlabDegrees degrees{std::vector<float>(size), std::vector<float>(size)};
  store.read_degrees(positions, degrees.row_sums, degrees.col_sums);
  if (!add_self_loops) return degrees;
  std::vector<std::uint8_t> has_loop(size);
  store.read_self_loops(positions, has_loop);
  for (std::size_t v = 0; v < size; ++v) {
    if (has_loop[v] == 0) degrees.row_sums[v] += 1, degrees.col_sums[v] += 1;
  }
  return degrees;
}

SlabDegrees read_slab_degrees(const graph::Store& store, const Slab& slab, bool add_self_loops) {
  const auto size = static_cast<std::size_t>(slab.size());
  SlabDegrees degrees{std::vector<float>(size, 1.0F), std::vector<float>(size, 1.0F)};
  for (std::size_t i = 0; i < slab.blocks().size(); ++i) {
    const SlabDegrees block = read_degrees(store, slab.positions(i), add_self_loops);
    std::copy(block.row_sums.begin(), block.row_sums.end(), degrees.row_sums.begin() + slab.begin(i));
    std::copy(block.col_sums.begin(), block.col_sums.end(), degrees.col_sums.begin() + slab.begin(i));
  }
  return degrees;
}

device::Buffer<float> normalisation_factors(device::Context& context, std::span<const float> sums,
                                            Normalisation normalisation) {
  device::Buffer<float> factors(context, std::ssize(sums));
  for (Index i = 0; i < factors.size(); ++i) {
    const double sum = sums[static_cast<std::size_t>(i)];
    OPX_REQUIRE(
        sum >= 0, InvalidArgument,
        "a vertex with edge weights that add up to {}: this normalisation needs sums that are not negative",
        sum);
    if (normalisation == Normalisation::kNone || sum == 0) {
      factors[i] = 1;
    } else {
      factors[i] = static_cast<float>(normalisation == Normalisation::kRow ? 1 / sum : 1 / std::sqrt(sum));
    }
  }
  return factors;
}

}  // namespace opx::parallel
