// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Starts the ranks of a command: as threads of this process, or as the processes that mpirun, mpiexec or srun
// started.
#pragma once

#include "base/function_ref.hpp"
#include "cli/command.hpp"
#include "comm/communicator.hpp"
#include "device/context.hpp"
#include "train/config.hpp"

namespace opx::cli {

/// What the launcher's environment says about this process.
struct Launch {
  bool launched = false;  ///< started by mpirun, mpiexec or srun: ranks are processes
  int rank = 0, size = 1;
};
[[nodiscard]] Launch launch_from_environment();

/// Ranks of the job: the launcher's, or config.ranks. Throws InvalidArgument where --ranks was `given` and
/// differs.
[[nodiscard]] int job_ranks(const train::RunConfig& config, bool given);
/// Threads of this rank: config.threads, or its share of the node's cores (of a process: node_cores.hpp), at
/// least 1. Collective.
[[nodiscard]] int threads_of_rank(const train::RunConfig& config, comm::Communicator& world);

/// Where and with how many threads this rank of the job computes; the first rank logs. `device` cuda and
/// gpu-host: ranks of a node take its GPUs in turn. Throws DeviceError where there is none. `auto`: as cuda
/// in a build with CUDA, on a machine with a GPU, for mode full with scheme scatter; else the CPU.
[[nodiscard]] device::ContextOptions context_of_rank(const Environment& environment,
                                                     const train::RunConfig& config,
                                                     comm::Communicator& world);

/// Calls body(world) on every rank of the job. The error of the lowest failing rank comes out here (under a
/// launcher: in every process, of which only the first is not mute). A job whose ranks cannot be reached any
/// more is ended.
void run_ranks(const Environment& environment, const train::RunConfig& config, int ranks,
               base::FunctionRef<void(comm::Communicator&)> body);

}  // namespace opx::cli
