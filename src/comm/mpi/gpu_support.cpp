// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <mpi.h>
#if defined(OPEN_MPI) && __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif
#include <cstdlib>
#include <string_view>

#include "comm/mpi/gpu_communicator.hpp"
#include "comm/mpi/link.hpp"

namespace opx::comm::mpi {
namespace {

// MPICH 4 and its kin have a call, Cray's before that a variable that their launch reads.
[[maybe_unused]] GpuSupport by_environment() {
  const char* text = std::getenv("MPICH_GPU_SUPPORT_ENABLED");
  if (text == nullptr) return {false, "this MPI does not say whether it takes memory of GPUs"};
  return {std::string_view(text) == "1", fmt::format("MPICH_GPU_SUPPORT_ENABLED is {}", text)};
}

}  // namespace

GpuSupport gpu_support() {
#if defined(MPIX_CUDA_AWARE_SUPPORT)
  if (MPIX_CUDA_AWARE_SUPPORT == 0) return {false, "Open MPI was built without CUDA"};
  const bool now = MPIX_Query_cuda_support() == 1;
  return {now, now ? "Open MPI takes memory of GPUs (MPIX_Query_cuda_support)"
                   : "Open MPI was built with CUDA and does not use it (MPIX_Query_cuda_support)"};
#elif defined(MPIX_GPU_SUPPORT_CUDA)
  int now = 0;
  if (MPIX_GPU_query_support(MPIX_GPU_SUPPORT_CUDA, &now) != MPI_SUCCESS) return by_environment();
  return {now != 0, fmt::format("MPICH {} memory of GPUs (MPIX_GPU_query_support)",
                                now != 0 ? "takes" : "does not take")};
#else
  return by_environment();
#endif
}

bool takes_gpu_memory(const Communicator& world) {
  const std::shared_ptr<Channel> channel = channel_of(world);
  if (channel == nullptr) return false;
  const GpuAwareMpi asked = channel->link->options().gpu_aware_mpi;
  return asked == GpuAwareMpi::kAuto ? gpu_support().found : asked == GpuAwareMpi::kOn;
}

}  // namespace opx::comm::mpi
