// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// CommOptions::check_collectives: what a rank is about to call, as numbers that ranks can exchange and
// compare.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "comm/detail/volume.hpp"

namespace opx::comm::detail {

/// One rank's call of a collective.
struct Call {
  Collective what = Collective::kNone;
  CommPurpose purpose = CommPurpose::kOther;
  Index count = 0;  ///< elements of `type`
  DataType type = DataType::kByte;
  ReduceOp op = ReduceOp::kSum;
  int root = 0;
  /// Bytes to and from every rank of the group, where they may differ between ranks; else empty.
  std::span<const Index> send_counts{}, receive_counts{};
};

/// What must be equal on all ranks of a group: all of a Call but the counts to and from each rank.
using CallRecord = std::array<std::int64_t, 6>;
[[nodiscard]] CallRecord record_of(const Call& call);
[[nodiscard]] Collective collective_of(const CallRecord& record);
[[nodiscard]] CommPurpose purpose_of(const CallRecord& record);
/// "all_reduce of 10 x 4 bytes (sum, type float) for gradient".
[[nodiscard]] std::string describe(const CallRecord& record);

/// A rank's send counts and then its receive counts, for check_pairs().
[[nodiscard]] std::vector<std::int64_t> pairs_of(const Call& call);
/// all: pairs_of() of every rank, one after the other. Throws CommError, the same one on all ranks, where
/// rank s sends to rank r what r does not expect from s. `place` begins the message; the ranks are named by
/// their numbers in the job.
void check_pairs(std::span<const std::int64_t> all, std::span<const int> world_ranks, std::string_view place);

}  // namespace opx::comm::detail
