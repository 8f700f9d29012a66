// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Cores of a rank where ranks are processes: launchers bind them to a core, a socket or nothing at all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "comm/communicator.hpp"

namespace opx::cli {

/// The cores that a process may run on, and the node that they are of.
struct NodeCores {
  static constexpr std::size_t kMost = 1024;  ///< of cpu_set_t
  std::uint64_t node = 0;                     ///< a hash of its name
  std::array<std::uint64_t, kMost / 64> mask{};
  [[nodiscard]] bool has(std::size_t core) const noexcept {
    return (mask[core / 64] >> (core % 64) & 1) != 0;
  }
};

/// Threads of rank `own`: each of its cores counts as one over the ranks of its node that may use it too; at
/// least 1. Example, 8 cores and two ranks: bound to four each 4, both free 4, one bound to core 0 and the
/// other free 0.5 -> 1 and 7.5 -> 7.
[[nodiscard]] int threads_by_cores(std::span<const NodeCores> ranks, std::size_t own);

/// The same of this process among those of `world`. Collective.
[[nodiscard]] int threads_of_process(comm::Communicator& world);

}  // namespace opx::cli
