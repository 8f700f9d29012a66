// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/detail/call.hpp"

namespace opx::comm::detail {

CallRecord record_of(const Call& call) {
  return {static_cast<std::int64_t>(call.what), static_cast<std::int64_t>(call.purpose), call.count,
          static_cast<std::int64_t>(call.type), static_cast<std::int64_t>(call.op),      call.root};
}

Collective collective_of(const CallRecord& record) { return static_cast<Collective>(record[0]); }
CommPurpose purpose_of(const CallRecord& record) { return static_cast<CommPurpose>(record[1]); }

std::string describe(const CallRecord& record) {
  constexpr std::array<std::string_view, 3> kOps = {"sum", "max", "min"};
  constexpr std::array<std::string_view, 6> kTypes = {"byte",  "int32",  "int64",
                                                      "float", "double", "bfloat16"};
  const Collective what = collective_of(record);
  const auto type = static_cast<std::size_t>(record[3]);
  std::string text =
      fmt::format("{} of {} x {} bytes", name(what), record[2], size_of(static_cast<DataType>(type)));
  if (what == Collective::kAllReduce || what == Collective::kReduceScatter)
    text += fmt::format(" ({}, type {})", kOps[static_cast<std::size_t>(record[4])], kTypes[type]);
  if (what == Collective::kBroadcast) text += fmt::format(" from rank {}", record[5]);
  return text + fmt::format(" for {}", name(purpose_of(record)));
}

std::vector<std::int64_t> pairs_of(const Call& call) {
  std::vector<std::int64_t> both(call.send_counts.begin(), call.send_counts.end());
  both.insert(both.end(), call.receive_counts.begin(), call.receive_counts.end());
  return both;
}

void check_pairs(std::span<const std::int64_t> all, std::span<const int> world_ranks,
                 std::string_view place) {
  const std::size_t ranks = world_ranks.size();
  for (std::size_t s = 0; s < ranks; ++s)
    for (std::size_t r = 0; r < ranks; ++r) {
      const std::int64_t sent = all[s * 2 * ranks + r], expected = all[r * 2 * ranks + ranks + s];
      OPX_REQUIRE(sent == expected, CommError, "{}: rank {} sends {} bytes to rank {}, which expects {}",
                  place, world_ranks[s], sent, world_ranks[r], expected);
    }
}

}  // namespace opx::comm::detail
