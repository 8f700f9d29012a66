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
// What one rank's arguments of a collective must fulfil, the same for every backend. All throw
// InvalidArgument or DimensionMismatch with the values.
void check_color(int color);
void check_root(int root, int group);
/// The counts add up to `total` and none is negative.
void check_counts(std::span<const Index> counts, std::size_t total, int group, std::string_view what);
/// counts: bytes of every rank, those of `rank` being the ones it sends.
void check_all_gather_v(std::span<const Index> counts, std::size_t send, std::size_t receive, int rank,
                        int group);
void check_all_to_all_v(std::span<const Index> send_counts, std::size_t send,
                        std::span<const Index> receive_counts, std::size_t receive, int rank, int group);

}  // namespace opx::comm::detail
