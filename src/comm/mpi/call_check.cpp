// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/call_check.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace opx::comm::mpi {
namespace {

using Record = std::array<std::int64_t, 6>;

Record record_of(const Call& call) {
  return {static_cast<std::int64_t>(call.what), static_cast<std::int64_t>(call.purpose), call.count,
          static_cast<std::int64_t>(call.type), static_cast<std::int64_t>(call.op),      call.root};
}

std::string describe(const Record& record) {
  const auto what = static_cast<Collective>(record[0]);
  const auto type = static_cast<DataType>(record[3]);
  constexpr std::array<std::string_view, 3> kOps = {"sum", "max", "min"};
  std::string text = fmt::format("{} of {} x {} bytes", detail::name(what), record[2], size_of(type));
  if (what == Collective::kAllReduce || what == Collective::kReduceScatter)
    text += fmt::format(" ({}, type {})", kOps[static_cast<std::size_t>(record[4])], record[3]);
  if (what == Collective::kBroadcast) text += fmt::format(" from rank {}", record[5]);
  return text + fmt::format(" for {}", name(static_cast<CommPurpose>(record[1])));
}

/// Everyone's words, rank after rank.
std::vector<std::int64_t> gather(const std::shared_ptr<Channel>& channel, const Call& call,
                                 std::span<const std::int64_t> mine) {
  std::vector<std::int64_t> all(mine.size() * static_cast<std::size_t>(channel->size));
  const auto own = static_cast<std::size_t>(channel->rank) * mine.size();
  std::ranges::copy(mine, all.begin() + static_cast<std::ptrdiff_t>(own));
  Operation operation(channel, call.what, call.purpose);
  operation.exchange(std::as_bytes(mine).data(), std::as_writable_bytes(std::span(all)).data(),
                     static_cast<Index>(mine.size_bytes()), 0);
  operation.wait();
  return all;
}

std::string place(const Channel& channel, const Call& call) {
  return fmt::format("{} on axis {}", detail::name(call.what), name(channel.axis));
}

/// What rank s sends to rank r is what r expects from s, for all pairs.
void check_pairs(const std::shared_ptr<Channel>& channel, const Call& call) {
  std::vector<std::int64_t> mine(call.send_counts.begin(), call.send_counts.end());
  mine.insert(mine.end(), call.receive_counts.begin(), call.receive_counts.end());
  const std::vector<std::int64_t> all = gather(channel, call, mine);
  const auto ranks = static_cast<std::size_t>(channel->size);
  for (std::size_t s = 0; s < ranks; ++s)
    for (std::size_t r = 0; r < ranks; ++r) {
      const std::int64_t sent = all[s * 2 * ranks + r], expected = all[r * 2 * ranks + ranks + s];
      OPX_REQUIRE(sent == expected, CommError, "{}: rank {} sends {} bytes to rank {}, which expects {}",
                  place(*channel, call), channel->world_ranks[s], sent, channel->world_ranks[r], expected);
    }
}

}  // namespace

void check_same(const std::shared_ptr<Channel>& channel, const Call& call) {
  if (!channel->link->options().check_collectives || channel->size == 1) return;
  const Record mine = record_of(call);
  const std::vector<std::int64_t> all = gather(channel, call, mine);
  const auto record = [&](int rank) {
    Record r;
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(rank * std::ssize(r)), r.size(), r.begin());
    return r;
  };
  for (int r = 1; r < channel->size; ++r)
    OPX_REQUIRE(record(r) == record(0), CommError,
                "collectives on axis {} differ: rank {} calls {}, rank {} calls {}", name(channel->axis),
                channel->world_ranks[0], describe(record(0)),
                channel->world_ranks[static_cast<std::size_t>(r)], describe(record(r)));
  if (call.what == Collective::kAllToAllV) check_pairs(channel, call);
}

}  // namespace opx::comm::mpi
