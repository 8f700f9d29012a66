// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Collectives on memory of GPUs over an MPI that takes pointers to it. Several ranks may share a GPU, which
// NCCL refuses; nothing goes through the host's memory but what MPI itself sends there.
//
// Messages leave from and arrive in staging memory on the GPU that is kept between calls: the Device's own
// comes from a stream-ordered pool, which other processes cannot map, so that MPI libraries refuse it or send
// it through the host. A collective copies what it sends there in the order of the compute stream, waits (the
// host) until that is done, and starts the messages; when they have arrived, copies or sums into the caller's
// memory follow on the compute stream. Sums are kernels of ours in rank order (gpu/reduce.hpp). The messages
// are those of the communicator for host memory: the same bytes, counted alike, and results equal to the bit.
//
// Worked example, all_reduce of {r, 10 r} floats on 3 ranks: rank 1 copies {1, 10} to staging, sends it to 2
// and 0, receives {0, 0} and {2, 20} beside it, and one kernel writes {0+1+2, 0+10+20} over the caller's
// {1, 10}.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.hpp"
#include "device/context.hpp"

namespace opx::comm::mpi {

struct GpuSupport {
  bool found = false;
  std::string how;  ///< what was asked and what it said
};
/// What the MPI library says of itself. Before MPI has started some libraries do not know; a build without
/// MPI answers as well.
[[nodiscard]] GpuSupport gpu_support();

/// Whether memory of GPUs may be given to the MPI of `world`: by CommOptions::gpu_aware_mpi, and by
/// gpu_support() where that says auto. False where `world` is no communicator of MPI.
[[nodiscard]] bool takes_gpu_memory(const Communicator& world);

/// For `context` on a GPU, over `inner` of MPI, which must outlive it, as must `context`. Collectives on host
/// memory, and those where one buffer is host memory, go to `inner` (staged). Where all buffers of a rank are
/// empty the purpose decides (detail/place.hpp). Groups that are split off are of this kind too. A collective
/// that is given up while an error unwinds keeps its staging memory until the process ends. NotCompiled in a
/// build without MPI or GPUs.
[[nodiscard]] std::unique_ptr<Communicator> gpu_communicator(device::Context& context, Communicator& inner);

}  // namespace opx::comm::mpi
