// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/call_check.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace opx::comm::mpi {
namespace {

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

}  // namespace

void check_same(const std::shared_ptr<Channel>& channel, const Call& call) {
  if (!channel->link->options().check_collectives || channel->size == 1) return;
  const detail::CallRecord mine = detail::record_of(call);
  const std::vector<std::int64_t> all = gather(channel, call, mine);
  const auto record = [&](int rank) {
    detail::CallRecord r;
    std::copy_n(all.begin() + static_cast<std::ptrdiff_t>(rank * std::ssize(r)), r.size(), r.begin());
    return r;
  };
  for (int r = 1; r < channel->size; ++r)
    OPX_REQUIRE(record(r) == record(0), CommError,
                "collectives on axis {} differ: rank {} calls {}, rank {} calls {}", name(channel->axis),
                channel->world_ranks[0], detail::describe(record(0)),
                channel->world_ranks[static_cast<std::size_t>(r)], detail::describe(record(r)));
  if (call.send_counts.empty()) return;
  detail::check_pairs(gather(channel, call, detail::pairs_of(call)), channel->world_ranks,
                      fmt::format("{} on axis {}", detail::name(call.what), name(channel->axis)));
}

std::unique_ptr<Operation> begin_operation(const std::shared_ptr<Channel>& channel, const Call& call,
                                           Index received) {
  check_same(channel, call);
  channel->link->traffic().add(channel->axis, call.purpose, received);
  return std::make_unique<Operation>(channel, call.what, call.purpose);
}

}  // namespace opx::comm::mpi
