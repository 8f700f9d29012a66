// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to parallel/: how many panels an aggregation takes and how much work space. Arithmetic only; every
// rank of the grid comes to the same schedule.
#pragma once

#include "parallel/aggregate.hpp"

namespace opx::parallel {

/// Group sizes and the matrix, n x width.
struct AggregateShape {
  Index c = 1, gather = 1, reduce = 1;
  Index rows = 0, width = 0;
};

struct Schedule {
  int panels = 1;
  bool pipelined = false;
};

[[nodiscard]] Schedule make_schedule(const AggregateShape& shape, const AggregateOptions& options,
                                     bool overlaps);

/// Bytes of the work space on the first rank of C, which has the most columns, if all panels were as wide as
/// the first.
[[nodiscard]] std::int64_t workspace_bytes(const AggregateShape& shape, Wire wire, const Schedule& schedule);

}  // namespace opx::parallel
