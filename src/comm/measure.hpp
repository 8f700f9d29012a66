// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Times the collectives of a group, each beside the memory copy that bounds it (`orthoplex bench
// collectives`).
#pragma once

#include <vector>

#include "comm/communicator.hpp"

namespace opx::comm {

struct MeasureOptions {
  /// Bytes of the long buffer of a rank: what all_gather receives, what reduce_scatter and all_to_all send,
  /// what all_reduce and broadcast work on. Rounded up to whole floats for each rank.
  std::vector<Index> bytes{4096, 65536, 1 << 20, 16 << 20};
  int repeats = 15;  ///< timed calls of each, after two that warm up
};

/// One collective at one size. The time of a call is that of the slowest rank.
struct MeasureRow {
  std::string_view op;  ///< a literal: "all_gather"
  int ranks = 1;
  Index bytes = 0;           ///< of the long buffer
  Index received_bytes = 0;  ///< per rank, the most of any rank, as Traffic defines it
  double seconds_median = 0, seconds_p10 = 0, seconds_p90 = 0;
  double gigabytes_per_second = 0;  ///< received_bytes / seconds_median / 1e9: per rank
  /// Median seconds in which all ranks at once copy received_bytes from memory to memory, measured right
  /// after each call, over seconds_median: 1 is the speed of memory. 0 where nothing is received.
  double bound_ratio = 0;
};

/// Collective. Rows are equal on all ranks. Every result is checked, element by element; a wrong one is an
/// InternalError on all ranks. Counts as CommPurpose::kOther.
[[nodiscard]] std::vector<MeasureRow> measure_collectives(Communicator& group,
                                                          const MeasureOptions& options = {});

}  // namespace opx::comm
