// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/detail/volume.hpp"

#include <numeric>

namespace opx::comm::detail {

std::string_view name(Collective collective) noexcept {
  switch (collective) {
    case Collective::kNone:
      return "no collective";
    case Collective::kBarrier:
      return "barrier";
    case Collective::kBroadcast:
      return "broadcast";
    case Collective::kAllReduce:
      return "all_reduce";
    case Collective::kAllGather:
      return "all_gather";
    case Collective::kAllGatherV:
      return "all_gather_v";
    case Collective::kReduceScatter:
      return "reduce_scatter";
    case Collective::kAllToAllV:
      return "all_to_all_v";
    case Collective::kSplit:
      return "split";
  }
  return "?";
}

Index all_reduce_volume(Index count, DataType type, int group) noexcept {
  return ceil_div(2 * count * (group - 1), group) * static_cast<Index>(size_of(type));
}

Index others(std::span<const Index> counts, int rank) noexcept {
  return std::accumulate(counts.begin(), counts.end(), Index{0}) - counts[static_cast<std::size_t>(rank)];
}

std::vector<Index> offsets(std::span<const Index> counts) {
  std::vector<Index> out(counts.size() + 1, 0);
  std::inclusive_scan(counts.begin(), counts.end(), out.begin() + 1);
  return out;
}

void check_counts(std::span<const Index> counts, std::size_t total, int group, std::string_view what) {
  OPX_REQUIRE(counts.size() == static_cast<std::size_t>(group), DimensionMismatch,
              "{}: {} counts for {} ranks", what, counts.size(), group);
  Index sum = 0;
  for (const Index c : counts) {
    OPX_REQUIRE(c >= 0, DimensionMismatch, "{}: a count is {} bytes", what, c);
    sum += c;
  }
  OPX_REQUIRE(sum == static_cast<Index>(total), DimensionMismatch,
              "{}: the counts add up to {} bytes, the buffer has {}", what, sum, total);
}

}  // namespace opx::comm::detail
