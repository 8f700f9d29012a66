// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/cpu/schedule.hpp"

#include <algorithm>

namespace opx::spmm::cpu {
namespace {

// The first row that starts at `cost` or later.
Index row_at_cost(const CsrView& a, Index cost, Index from) {
  Index low = from, high = a.rows;
  while (low < high) {
    const Index middle = low + (high - low) / 2;
    if (a.row_offsets[static_cast<std::size_t>(middle)] + middle < cost)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void add_hub(const CsrView& a, Index row, Schedule& schedule) {
  const Index begin = a.row_offsets[static_cast<std::size_t>(row)];
  const Index length = a.row_offsets[static_cast<std::size_t>(row + 1)] - begin;
  const Index parts = ceil_div(length, kPieceEntries);
  const auto first = static_cast<Index>(schedule.pieces.size());
  for (Index part = 0; part < parts; ++part) {
    const Range r = even_range(length, parts, part);
    schedule.pieces.push_back({begin + r.begin, begin + r.end});
  }
  schedule.hubs.push_back({row, {first, first + parts}});
}

}  // namespace

Schedule make_schedule(const CsrView& a) {
  Schedule schedule;
  const Index chunks = ceil_div(a.nnz() + a.rows, kChunkCost);
  schedule.chunks.reserve(static_cast<std::size_t>(chunks));
  Index begin = 0;
  for (Index chunk = 0; chunk < chunks; ++chunk) {
    Index end = row_at_cost(a, (chunk + 1) * kChunkCost, begin);
    const Index next = end;
    if (end > begin) {
      const auto last = static_cast<std::size_t>(end - 1);
      if (a.row_offsets[last + 1] - a.row_offsets[last] > kHubEntries) add_hub(a, --end, schedule);
    }
    if (end > begin) schedule.chunks.push_back({begin, end});
    begin = next;
  }
  return schedule;
}

}  // namespace opx::spmm::cpu
