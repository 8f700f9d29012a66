// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/device_communicator.hpp"

#include <algorithm>
#include <array>

#include "comm/mpi/gpu_communicator.hpp"
#include "comm/nccl/communicator.hpp"
#include "comm/staged.hpp"
#include "device/gpu/device.hpp"

namespace opx::comm {
namespace {

using Identity = std::array<char, 64>;

/// Whether no two ranks compute on the same GPU.
bool own_gpus(device::Context& context, Communicator& world) {
  Identity mine{};
  const std::string uuid = device::gpu::properties(context.gpu().ordinal()).uuid;
  std::copy_n(uuid.begin(), std::min(uuid.size(), mine.size()), mine.begin());
  std::vector<char> all(mine.size() * static_cast<std::size_t>(world.size()));
  const Traffic counted = world.traffic();
  world.all_gather(std::span<const char>(mine), std::span(all), CommPurpose::kSetup);
  world.traffic() = counted;
  std::vector<std::string> seen;
  for (std::size_t at = 0; at < all.size(); at += mine.size()) seen.emplace_back(&all[at], mine.size());
  std::ranges::sort(seen);
  return std::ranges::adjacent_find(seen) == seen.end();
}

/// Whether every rank's MPI takes memory of GPUs.
bool mpi_takes_it(Communicator& world) {
  std::int32_t everywhere = mpi::takes_gpu_memory(world) ? 1 : 0;
  const Traffic counted = world.traffic();
  world.all_reduce(std::span(&everywhere, 1), ReduceOp::kMin, CommPurpose::kSetup);
  world.traffic() = counted;
  return everywhere != 0;
}

}  // namespace

std::unique_ptr<Communicator> device_communicator(device::Context& context, Communicator& world,
                                                  double timeout_seconds) {
  if (nccl::compiled() && world.size() > 1 && own_gpus(context, world))
    return nccl::make_communicator(context, world, timeout_seconds);
  if (world.size() > 1 && mpi_takes_it(world)) return mpi::gpu_communicator(context, world);
  return staged_communicator(context, world);
}

}  // namespace opx::comm
