// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/nccl/call_check.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace opx::comm::nccl {
namespace {

/// One rank's words: what it calls, where.
struct Words {
  detail::CallRecord call;
  std::int64_t axis, first;  // first: lowest rank of the group in the job
};

std::string describe(int rank, const Words& words) {
  return fmt::format("rank {} calls {} on axis {}", rank, detail::describe(words.call),
                     name(static_cast<CommAxis>(words.axis)));
}

void require_equal(bool equal, int a, const Words& of_a, int b, const Words& of_b) {
  OPX_REQUIRE(equal, CommError, "collectives over NCCL differ: {}, {}", describe(a, of_a), describe(b, of_b));
}

template <class T>
std::vector<T> gather(Communicator& group, std::span<const T> mine) {
  std::vector<T> all(mine.size() * static_cast<std::size_t>(group.size()));
  const Traffic counted = group.traffic();
  group.all_gather(mine, std::span(all), CommPurpose::kOther);
  group.traffic() = counted;
  return all;
}

}  // namespace

CallCheck::CallCheck(Communicator& world, Communicator& group) : world_(world), group_(group) {
  if (!world.checks_collectives() || world.size() == 1) return;
  const int mine = world.rank();
  members_ = gather(group, std::span(&mine, 1));
}

void CallCheck::check(const detail::Call& call) {
  if (members_.empty()) return;
  const Words mine{detail::record_of(call), static_cast<std::int64_t>(group_.axis()),
                   *std::ranges::min_element(members_)};
  const auto bytes = gather(world_, std::as_bytes(std::span(&mine, 1)));
  std::vector<Words> all(static_cast<std::size_t>(world_.size()));
  std::ranges::copy(bytes, std::as_writable_bytes(std::span(all)).begin());
  std::map<std::int64_t, int> first_of;  // group -> the first of its ranks that came
  for (int r = 0; r < world_.size(); ++r) {
    const Words& here = all[static_cast<std::size_t>(r)];
    const bool same = here.axis == all[0].axis &&
                      detail::collective_of(here.call) == detail::collective_of(all[0].call) &&
                      detail::purpose_of(here.call) == detail::purpose_of(all[0].call);
    require_equal(same, 0, all[0], r, here);
    const int first = first_of.try_emplace(here.first, r).first->second;
    const Words& there = all[static_cast<std::size_t>(first)];
    require_equal(here.call == there.call, first, there, r, here);
  }
  if (call.send_counts.empty()) return;
  const auto pairs = gather<std::int64_t>(group_, detail::pairs_of(call));
  detail::check_pairs(pairs, members_,
                      fmt::format("{} on axis {}", detail::name(call.what), name(group_.axis())));
}

}  // namespace opx::comm::nccl
