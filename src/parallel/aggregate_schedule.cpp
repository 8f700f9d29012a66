// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/aggregate_schedule.hpp"

#include <algorithm>
#include <array>

namespace opx::parallel {

namespace {

constexpr std::int64_t kWorkspaceTarget = std::int64_t{1} << 30;
constexpr Index kWorthPipelining = 64, kNarrowest = 32;  // own columns of a panel

/// Adds up the stages of one panel as Pass takes them: two slots in turn, or one each.
class StageSum {
 public:
  explicit StageSum(bool pipelined) : pipelined_(pipelined) {}
  void add(Index elements, Index bytes) {
    side_ = 1 - side_;
    const std::int64_t size = elements * bytes;
    sides_[side_] = std::max(sides_[side_], size);
    all_ += size;
  }
  [[nodiscard]] std::int64_t total() const { return pipelined_ ? 2 * all_ : sides_[0] + sides_[1]; }

 private:
  bool pipelined_;
  std::size_t side_ = 1;
  std::array<std::int64_t, 2> sides_{};
  std::int64_t all_ = 0;
};

}  // namespace

std::int64_t workspace_bytes(const AggregateShape& s, Wire wire, const Schedule& schedule) {
  if (s.c * s.gather * s.reduce == 1) return 0;
  const Index own = ceil_div(ceil_div(s.width, s.c), schedule.panels);
  Index total = 0;
  for (int j = 0; j < s.c; ++j) {
    total += layout::split_columns(layout::split_columns(s.width, static_cast<int>(s.c), j).size(),
                                   schedule.panels, 0)
                 .size();
  }
  const bool bf16 = wire == Wire::kBfloat16, whole = s.c == 1 && schedule.panels == 1 && !bf16;
  const Index word = bf16 ? 2 : 4, slab = s.rows * s.c * own;
  StageSum sum(schedule.pipelined);
  if (s.c > 1 || s.gather > 1) {
    if (!whole) sum.add(s.rows * total, word);
    if (s.c > 1) sum.add(slab, word);
    if (s.gather > 1) sum.add(slab * s.gather, word);
  }
  if (s.c > 1 || s.reduce > 1) {
    sum.add(slab * s.reduce, 4);
    if (bf16) sum.add(slab * s.reduce, word);
    if (s.reduce > 1 && !whole) sum.add(slab, word);
    if (s.c > 1) sum.add(s.rows * total, word);
  }
  return sum.total();
}

Schedule make_schedule(const AggregateShape& shape, const AggregateOptions& options, bool overlaps) {
  const bool in_flight =
      options.pipeline == Pipeline::kOn || (options.pipeline == Pipeline::kAuto && overlaps);
  const auto with = [&](Index panels) { return Schedule{static_cast<int>(panels), in_flight && panels > 1}; };
  if (options.panels > 0) return with(options.panels);
  const Index own = shape.width / shape.c;
  Index panels = in_flight ? std::clamp<Index>(own / kWorthPipelining, 1, 4) : 1;
  while (own / (panels + 1) >= kNarrowest &&
         workspace_bytes(shape, options.wire, with(panels)) > kWorkspaceTarget)
    ++panels;
  return with(panels);
}

std::int64_t aggregate_workspace(const layout::Grid& grid, layout::Roles roles, Index rows, Index width,
                                 bool backward, const AggregateOptions& options, bool overlaps) {
  const AggregateShape shape{.c = grid.size(roles.c),
                             .gather = grid.size(backward ? roles.k : roles.r),
                             .reduce = grid.size(backward ? roles.r : roles.k),
                             .rows = rows,
                             .width = width};
  return workspace_bytes(shape, options.wire, make_schedule(shape, options, overlaps));
}

}  // namespace opx::parallel
