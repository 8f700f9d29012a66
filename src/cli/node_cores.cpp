// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/node_cores.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

#include <sched.h>
#include <unistd.h>

#include "device/context.hpp"

namespace opx::cli {

namespace {

NodeCores of_this_process() {
  NodeCores cores;
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) name.front() = '\0';
  cores.node = 0xcbf29ce484222325ULL;  // FNV-1a
  for (const char c : std::string_view(name.data()))
    cores.node = (cores.node ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (std::size_t core = 0; core < NodeCores::kMost; ++core)
    if (CPU_ISSET(core, &set)) cores.mask[core / 64] |= std::uint64_t{1} << (core % 64);
  return cores;
}

}  // namespace

int threads_by_cores(std::span<const NodeCores> ranks, std::size_t own) {
  double threads = 0;
  for (std::size_t core = 0; core < NodeCores::kMost; ++core) {
    if (!ranks[own].has(core)) continue;
    threads += 1.0 / static_cast<double>(std::ranges::count_if(ranks, [&](const NodeCores& rank) {
                 return rank.node == ranks[own].node && rank.has(core);
               }));
  }
  constexpr double kRounding = 1e-6;  // three thirds are one
  return std::max(1, static_cast<int>(threads + kRounding));
}

int threads_of_process(comm::Communicator& world) {
  const NodeCores own = of_this_process();
  std::vector<NodeCores> all(static_cast<std::size_t>(world.size()));
  world.all_gather(std::span<const NodeCores>(&own, 1), std::span<NodeCores>(all), comm::CommPurpose::kSetup);
  if (std::ranges::all_of(own.mask, [](std::uint64_t word) { return word == 0; })) {  // not to be had
    const auto here = std::ranges::count(all, own.node, &NodeCores::node);
    return std::max(1, device::hardware_threads() / static_cast<int>(here));
  }
  return threads_by_cores(all, static_cast<std::size_t>(world.rank()));
}

}  // namespace opx::cli
