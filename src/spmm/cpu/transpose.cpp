// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Counting sort by column: each part of the rows counts its columns, a prefix sum over (column, part) gives
// every part its places, and the parts fill in. The result does not depend on the number of parts.
#include <algorithm>
#include <vector>

#include "spmm/kernels.hpp"

namespace opx::spmm::cpu {
namespace {

constexpr Index kColumnGrain = 1 << 14;

// Rows in parts of about equal entries. More parts than threads buy nothing; the counters of all parts
// together should not outgrow the entries.
void cut_rows(const device::Context& context, const CsrView& a, std::vector<Range>& ranges) {
  const Index parts = std::clamp<Index>(a.nnz() / std::max<Index>(a.cols, 1), 1, context.threads());
  ranges.clear();
  Index begin = 0;
  for (Index part = 1; part <= parts; ++part) {
    const Index entries = even_range(a.nnz(), parts, part - 1).end;
    const auto at = std::lower_bound(a.row_offsets.begin() + begin, a.row_offsets.begin() + a.rows, entries);
    const Index end = part == parts ? a.rows : static_cast<Index>(at - a.row_offsets.begin());
    ranges.push_back({begin, end});
    begin = end;
  }
}

Range entries_of(const CsrView& a, Range rows) {
  return {a.row_offsets[static_cast<std::size_t>(rows.begin)],
          a.row_offsets[static_cast<std::size_t>(rows.end)]};
}

void count_columns(const CsrView& a, Range rows, Index* counts) {
  const Range entries = entries_of(a, rows);
  std::fill_n(counts, a.cols, Index{0});
  for (Index e = entries.begin; e < entries.end; ++e) ++counts[a.col_ids[static_cast<std::size_t>(e)]];
}

// counts[part * cols + c] becomes the first place of column c's entries of that part; offsets get their final
// values.
void place_columns(device::Context& context, Index parts, Index cols, Index* counts,
                   std::vector<Index>& start, Index* offsets) {
  const Index ranges = ceil_div(std::max<Index>(cols, 1), kColumnGrain);
  start.assign(static_cast<std::size_t>(ranges) + 1, 0);
  context.parallel_for(ranges, [&](Index r) {
    const Range c = even_range(cols, ranges, r);
    Index sum = 0;
    for (Index part = 0; part < parts; ++part)
      for (Index j = c.begin; j < c.end; ++j) sum += counts[part * cols + j];
    start[static_cast<std::size_t>(r) + 1] = sum;
  });
  for (std::size_t r = 1; r < start.size(); ++r) start[r] += start[r - 1];
  context.parallel_for(ranges, [&](Index r) {
    const Range c = even_range(cols, ranges, r);
    Index next = start[static_cast<std::size_t>(r)];
    for (Index j = c.begin; j < c.end; ++j) {
      offsets[j] = next;
      for (Index part = 0; part < parts; ++part) {
        const Index count = counts[part * cols + j];
        counts[part * cols + j] = next;
        next += count;
      }
    }
  });
  offsets[cols] = start.back();
}

void fill(const CsrView& a, Range rows, Index* next, Csr& t) {
  for (Index i = rows.begin; i < rows.end; ++i) {
    const Range entries = entries_of(a, {i, i + 1});
    for (Index e = entries.begin; e < entries.end; ++e) {
      const Index place = next[a.col_ids[static_cast<std::size_t>(e)]]++;
      t.col_ids[place] = static_cast<LocalIndex>(i);
      if (!a.values.empty()) t.values[place] = a.values[static_cast<std::size_t>(e)];
    }
  }
}

}  // namespace

void transpose(device::Context& context, const CsrView& a, TransposeScratch& scratch, Csr& to) {
  to.rows = a.cols;
  to.cols = a.rows;
  to.row_offsets.resize(context, a.cols + 1);
  to.col_ids.resize(context, a.nnz());
  to.values.resize(context, a.values.empty() ? 0 : a.nnz());
  std::vector<Range>& parts = scratch.parts;
  cut_rows(context, a, parts);
  const auto count = static_cast<Index>(parts.size());
  scratch.counts.resize(context, count * a.cols);
  const auto at = [&](Index part) { return scratch.counts.data() + part * a.cols; };
  context.parallel_for(count, [&](Index p) { count_columns(a, parts[static_cast<std::size_t>(p)], at(p)); });
  place_columns(context, count, a.cols, at(0), scratch.starts, to.row_offsets.data());
  context.parallel_for(count, [&](Index p) { fill(a, parts[static_cast<std::size_t>(p)], at(p), to); });
}

}  // namespace opx::spmm::cpu
