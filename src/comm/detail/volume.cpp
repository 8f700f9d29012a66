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

void check_color(int color) {
  OPX_REQUIRE(color >= 0, InvalidArgument, "split: color is {}; it must not be negative", color);
}

void check_root(int root, int group) {
  OPX_REQUIRE(root >= 0 && root < group, InvalidArgument, "broadcast: root {} of {} ranks", root, group);
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

void check_all_gather_v(std::span<const Index> counts, std::size_t send, std::size_t receive, int rank,
                        int group) {
  check_counts(counts, receive, group, "all_gather_v");
  const Index own = counts[static_cast<std::size_t>(rank)];
  OPX_REQUIRE(own == static_cast<Index>(send), DimensionMismatch,
              "all_gather_v: rank {} sends {} bytes, its count says {}", rank, send, own);
}

void check_all_to_all_v(std::span<const Index> send_counts, std::size_t send,
                        std::span<const Index> receive_counts, std::size_t receive, int rank, int group) {
  check_counts(send_counts, send, group, "all_to_all_v send");
  check_counts(receive_counts, receive, group, "all_to_all_v receive");
  const auto me = static_cast<std::size_t>(rank);
  OPX_REQUIRE(send_counts[me] == receive_counts[me], DimensionMismatch,
              "all_to_all_v: rank {} sends itself {} bytes and expects {}", rank, send_counts[me],
              receive_counts[me]);
}

}  // namespace opx::comm::detail
