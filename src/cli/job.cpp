// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/job.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/error.hpp"
#include "cli/node_cores.hpp"
#include "comm/mpi/job.hpp"
#include "comm/threads/job.hpp"
#include "device/context.hpp"
#include "device/gpu/device.hpp"

namespace opx::cli {

namespace {

/// The first variable that is set and a number.
int from_environment(std::initializer_list<const char*> names, int otherwise) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    if (text != nullptr && *text >= '0' && *text <= '9') return std::atoi(text);
  }
  return otherwise;
}

comm::GpuAwareMpi gpu_aware_mpi_from_environment() {
  const char* text = std::getenv("OPX_GPU_AWARE_MPI");
  const std::string_view asked = text == nullptr ? "auto" : text;
  if (asked == "auto") return comm::GpuAwareMpi::kAuto;
  if (asked == "on") return comm::GpuAwareMpi::kOn;
  OPX_REQUIRE(asked == "off", InvalidArgument, "OPX_GPU_AWARE_MPI is {}; it takes auto, on or off", asked);
  return comm::GpuAwareMpi::kOff;
}

/// auto: the GPU where this build and this machine have one and it can do what is asked for.
bool wants_gpu(const train::RunConfig& config) {
  if (config.device != "auto") return config.device == "cuda" || config.device == "gpu-host";
  return device::gpu::runtime_name() == "cuda" && config.scheme == "scatter" && device::gpu::count() > 0;
}

}  // namespace

Launch launch_from_environment() {
  Launch launch;
  launch.launched = comm::mpi::launched_under_mpi();
  if (!launch.launched) return launch;
  // Open MPI; MPICH and its kin (PMI); Slurm.
  launch.size = from_environment({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}, 1);
  launch.rank = from_environment({"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"}, 0);
  return launch;
}

int job_ranks(const train::RunConfig& config, bool given) {
  const Launch launch = launch_from_environment();
  if (!launch.launched) return config.ranks;
  OPX_REQUIRE(!given || config.ranks == launch.size, InvalidArgument,
              "--ranks is {}, but the launcher started {} ranks; leave --ranks away under mpirun or srun",
              config.ranks, launch.size);
  return launch.size;
}

int threads_of_rank(const train::RunConfig& config, comm::Communicator& world) {
  if (config.threads > 0) return config.threads;
  if (launch_from_environment().launched) return threads_of_process(world);
  return std::max(1, device::hardware_threads() / world.size());
}

device::ContextOptions context_of_rank(const Environment& environment, const train::RunConfig& config,
                                       comm::Communicator& world) {
  device::ContextOptions options;
  options.threads = threads_of_rank(config, world);
  if (world.rank() == 0) options.logger = environment.logger();
  if (!wants_gpu(config)) return options;
  const int gpus = device::gpu::count();
  OPX_REQUIRE(gpus > 0, DeviceError,
              "--device {}: no GPU is visible to this process (driver, CUDA_VISIBLE_DEVICES?)",
              config.device);
  const Launch launch = launch_from_environment();
  const int local =
      from_environment({"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"}, world.rank());
  options.tf32 = config.tf32;
  options.gpu = (launch.launched ? local : world.rank()) % gpus;
  return options;
}

void run_ranks(const Environment& environment, const train::RunConfig& config, int ranks,
               base::FunctionRef<void(comm::Communicator&)> body) {
  comm::CommOptions options;
  options.timeout_seconds = config.timeout;
  options.fatal = environment.terminal->fatal;
  options.check_collectives = from_environment({"OPX_CHECK_COLLECTIVES"}, 0) != 0;
  options.gpu_aware_mpi = gpu_aware_mpi_from_environment();
  if (launch_from_environment().launched) {
    comm::mpi::Session().run(options, body);
  } else {
    // Loading a kernel at its first launch may wait for one of NCCL's, which waits for another thread here.
    if (ranks > 1 && device::gpu::runtime_name() == "cuda") ::setenv("CUDA_MODULE_LOADING", "EAGER", 0);
    comm::run_threads(ranks, options, body);
  }
}

}  // namespace opx::cli
