// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/tile_cutter.hpp"

#include <algorithm>
#include <numeric>

#include "base/error.hpp"
#include "layout/placement.hpp"

namespace opx::sampling {

namespace {

constexpr Index kEntriesAtOnce = 2048;  // of a row: places found stay in the first-level cache
// Rows are random places of a large array: their offsets, then their first columns, are asked for early.
constexpr Index kRowsAhead = 8, kOffsetsAhead = 24, kLinesAhead = 6;
constexpr Index kColumnsAhead = 16;  // what is known of a sampled column: 20 bytes each, many times a cache

const float* factors(const device::Buffer<float>& scale) { return scale.empty() ? nullptr : scale.data(); }

float factor(const float* factors, std::int32_t i) { return factors == nullptr ? 1.0F : factors[i]; }

void prefetch_columns(const spmm::CsrView& from, std::int32_t row) {
  const auto r = static_cast<std::size_t>(row);
  const std::int32_t* first = from.col_ids.data() + from.row_offsets[r];
  const std::int32_t* last = from.col_ids.data() + from.row_offsets[r + 1];
  for (Index line = 0; line < kLinesAhead && first < last; ++line, first += 16) __builtin_prefetch(first);
}

/// How many vertices the blocks before `block` give; -1 where it is not among them.
Index first_number(const Selection& selection, std::span<const int> blocks, int block) {
  Index number = 0;
  for (const int b : blocks) {
    if (b == block) return number;
    number += std::ssize(selection.block(b));
  }
  return -1;
}

}  // namespace

TileCutter::TileCutter(device::Context& context, const layout::GraphShard& full, Index columns)
    : context_(context), full_(full), set_(columns), parts_(static_cast<std::size_t>(context.threads())) {
  for (Part& part : parts_) part.found.resize(kEntriesAtOnce);
}

CutCounts TileCutter::cut(const layout::Tile& tile, std::span<const int> row_blocks,
                          std::span<const int> col_blocks, const Selection& selection,
                          const CutOptions& options, spmm::Csr& to) {
  gather_columns(tile, col_blocks, selection, options);
  gather_rows(tile, row_blocks, col_blocks, selection, options);
  to.rows = std::ssize(row_blocks) * (options.loss_rows > 0 ? options.loss_rows : selection.block_rows);
  to.cols = std::ssize(col_blocks) * selection.block_rows;
  to.row_offsets.resize(context_, to.rows + 1);
  std::fill(to.row_offsets.begin(), to.row_offsets.end(), 0);
  std::fill(options.diagonal.begin(), options.diagonal.end(), 0.0F);
  const auto parts = static_cast<Index>(parts_.size());
  const spmm::CsrView from = tile.view();
  context_.parallel_for(parts, [&](Index p) {
    Part& part = parts_[static_cast<std::size_t>(p)];
    part.col_ids = p == 0 ? &to.col_ids : &part.own_col_ids;
    part.values = p == 0 ? &to.values : &part.own_values;
    cut_rows(from, even_range(std::ssize(rows_), parts, p), options, part, to.row_offsets.data() + 1);
  });
  std::partial_sum(to.row_offsets.begin(), to.row_offsets.end(), to.row_offsets.begin());
  return join(to);
}

void TileCutter::gather_columns(const layout::Tile& tile, std::span<const int> blocks,
                                const Selection& selection, const CutOptions& options) {
  static const RowOrder kRising;
  const RowOrder& order = options.order == nullptr ? kRising : *options.order;
  const float* scale = factors(tile.col_scale);
  const bool plain = options.estimator == Estimator::kSelfNormalised;
  set_.clear();
  columns_.clear();
  for (std::size_t k = 0; k < blocks.size(); ++k) {
    const auto b = static_cast<std::size_t>(blocks[k]);
    const Index shift = static_cast<Index>(k) * full_.block_rows - block_begin(blocks[k]);
    const auto first = static_cast<std::size_t>(selection.offsets[b]),
               last = static_cast<std::size_t>(selection.offsets[b + 1]);
    const Index to = static_cast<Index>(k) * selection.block_rows;
    for (std::size_t i = first; i < last; ++i) {
      const auto column = static_cast<std::int32_t>(selection.position[i] + shift);
      set_.add(column);
      columns_.push_back({.to = static_cast<std::int32_t>(to + order.row(i, first)),
                          .stratum = selection.stratum[i],
                          .scale = factor(scale, column),
                          .same = plain ? 1.0F : selection.same[i],
                          .other = plain ? 1.0F : selection.other[i]});
    }
  }
}

void TileCutter::gather_rows(const layout::Tile& tile, std::span<const int> row_blocks,
                             std::span<const int> col_blocks, const Selection& selection,
                             const CutOptions& options) {
  static const RowOrder kRising;
  const RowOrder& order = options.order == nullptr ? kRising : *options.order;
  const float* scale = factors(tile.row_scale);
  rows_.clear();
  own_rows_ = {};
  for (std::size_t k = 0; k < row_blocks.size(); ++k) {
    const auto b = static_cast<std::size_t>(row_blocks[k]);
    const auto first = static_cast<std::size_t>(selection.offsets[b]),
               last = static_cast<std::size_t>(selection.offsets[b + 1]);
    OPX_REQUIRE(static_cast<Index>(last - first) <= selection.block_rows, InternalError,
                "block {} gives {} vertices of at most {}", b, last - first, selection.block_rows);
    const Index from = static_cast<Index>(k) * full_.block_rows - block_begin(row_blocks[k]);
    const Index home = first_number(selection, col_blocks, row_blocks[k]);
    const bool all = options.loss_rows == 0;
    const Index count = all ? static_cast<Index>(last - first) : order.loss_rows(row_blocks[k]);
    const Index to = static_cast<Index>(k) * (all ? selection.block_rows : options.loss_rows);
    OPX_REQUIRE(all || count <= options.loss_rows, InternalError,
                "block {} has {} rows of the loss, of at most {}", b, count, options.loss_rows);
    if (row_blocks[k] == options.own_block) own_rows_ = {std::ssize(rows_), std::ssize(rows_) + count};
    for (Index r = 0; r < count; ++r) {
      const std::size_t i = order.vertex(r, first);
      const Index position = selection.position[i];
      const auto row = static_cast<std::int32_t>(position + from);
      rows_.push_back(
          {.from = row,
           .to = static_cast<std::int32_t>(to + r),
           .diagonal = home < 0 ? -1 : static_cast<std::int32_t>(home + static_cast<Index>(i - first)),
           .stratum = selection.stratum[i],
           .scale = factor(scale, row)});
    }
  }
}

Index TileCutter::block_begin(int block) const noexcept {
  return layout::block_range(full_.vertices, full_.grid.tensor_ranks(), block).begin;
}

void TileCutter::cut_rows(const spmm::CsrView& from, Range rows, const CutOptions& options, Part& part,
                          Index* counts) {
  part.counts = {};
  part.col_ids->resize(context_, 0);
  part.values->resize(context_, 0);
  if (from.values.empty()) {
    find_entries<false>(from, rows, part, counts);
    weigh_entries<false>(rows, options, part, counts);
  } else {
    find_entries<true>(from, rows, part, counts);
    weigh_entries<true>(rows, options, part, counts);
  }
}

template <bool kWeighted>
void TileCutter::find_entries(const spmm::CsrView& from, Range rows, Part& part, Index* counts) const {
  const auto row_at = [&](Index r) -> const Row& { return rows_[static_cast<std::size_t>(r)]; };
  Index used = 0;
  for (Index r = rows.begin; r < rows.end; ++r) {
    if (r + kOffsetsAhead < rows.end)
      __builtin_prefetch(from.row_offsets.data() + row_at(r + kOffsetsAhead).from);
    if (r + kRowsAhead < rows.end) prefetch_columns(from, row_at(r + kRowsAhead).from);
    const auto row = static_cast<std::size_t>(row_at(r).from);
    const Index before = used;
    for (Index e = from.row_offsets[row], end = from.row_offsets[row + 1]; e < end; e += kEntriesAtOnce) {
      const std::int32_t* columns = from.col_ids.data() + e;
      const Index found = set_.find(columns, std::min(kEntriesAtOnce, end - e), part.found.data());
      part.col_ids->resize(context_, used + found);
      if constexpr (kWeighted) part.values->resize(context_, used + found);
      for (Index j = 0; j < found; ++j) {
        const std::int32_t at = part.found[static_cast<std::size_t>(j)];
        (*part.col_ids)[used + j] = set_.number(columns[at]);
        if constexpr (kWeighted) (*part.values)[used + j] = from.values[static_cast<std::size_t>(e + at)];
      }
      used += found;
    }
    counts[row_at(r).to] = used - before;
  }
}

template <bool kWeighted>
void TileCutter::weigh_entries(Range rows, const CutOptions& options, Part& part, const Index* counts) const {
  const Index nnz = part.col_ids->size();
  part.values->resize(context_, nnz);
  std::int32_t* col_ids = part.col_ids->data();
  float* values = part.values->data();
  part.counts.nnz = nnz;
  Index k = 0;
  for (Index r = rows.begin; r < rows.end; ++r) {
    const Row& row = rows_[static_cast<std::size_t>(r)];
    Index neighbours = counts[row.to];
    for (const Index end = k + neighbours; k < end; ++k) {
      if (k + kColumnsAhead < nnz)
        __builtin_prefetch(&columns_[static_cast<std::size_t>(col_ids[k + kColumnsAhead])]);
      const std::int32_t number = col_ids[k];
      const Column& column = columns_[static_cast<std::size_t>(number)];
      float value = row.scale * column.scale;
      if constexpr (kWeighted) value *= values[k];
      if (number == row.diagonal) {
        --neighbours;
        if (own_rows_.contains(r) && !options.diagonal.empty())
          options.diagonal[static_cast<std::size_t>(r - own_rows_.begin)] = value;
      } else {
        value *= column.stratum == row.stratum ? column.same : column.other;
      }
      col_ids[k] = column.to;
      values[k] = value;
    }
    part.counts.off_diagonal += neighbours;
    part.counts.rows_without_neighbours += neighbours == 0 ? 1 : 0;
  }
}

CutCounts TileCutter::join(spmm::Csr& to) {
  CutCounts sum;
  for (const Part& part : parts_) {
    sum.nnz += part.counts.nnz;
    sum.off_diagonal += part.counts.off_diagonal;
    sum.rows_without_neighbours += part.counts.rows_without_neighbours;
  }
  to.col_ids.resize(context_, sum.nnz);
  to.values.resize(context_, sum.nnz);
  const auto parts = static_cast<Index>(parts_.size());
  context_.parallel_for(parts - 1, [&](Index before) {
    const Part& part = parts_[static_cast<std::size_t>(before + 1)];
    Index at = 0;
    for (Index p = 0; p <= before; ++p) at += parts_[static_cast<std::size_t>(p)].counts.nnz;
    std::copy(part.own_col_ids.begin(), part.own_col_ids.end(), to.col_ids.begin() + at);
    std::copy(part.own_values.begin(), part.own_values.end(), to.values.begin() + at);
  });
  return sum;
}

}  // namespace opx::sampling
