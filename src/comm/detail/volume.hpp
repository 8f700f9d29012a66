// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Bytes that a rank receives in one collective: the definition of Traffic, used by every backend.
#pragma once

#include <span>
#include <string_view>

#include "comm/communicator.hpp"

namespace opx::comm::detail {

enum class Collective : std::uint8_t {
  kNone,
  kBarrier,
  kBroadcast,
  kAllReduce,
  kAllGather,
  kAllGatherV,
  kReduceScatter,
  kAllToAllV,
  kSplit
};
[[nodiscard]] std::string_view name(Collective collective) noexcept;

/// 2 count (g - 1) / g elements, rounded up: a reduce-scatter and an all-gather of an even share.
[[nodiscard]] Index all_reduce_volume(Index count, DataType type, int group) noexcept;
/// Sum of the counts of the other ranks.
[[nodiscard]] Index others(std::span<const Index> counts, int rank) noexcept;
/// Start of each part, and the total at the end: counts.size() + 1 entries.
[[nodiscard]] std::vector<Index> offsets(std::span<const Index> counts);
/// Throws DimensionMismatch where the counts do not add up to `total` or one is negative.
void check_counts(std::span<const Index> counts, std::size_t total, int group, std::string_view what);

}  // namespace opx::comm::detail
