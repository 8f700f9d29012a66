// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "comm/mpi/job.hpp"

namespace opx::comm::mpi {

bool launched_under_mpi() noexcept {
  // Open MPI; MPICH's and Intel's hydra; PMIx (also under srun --mpi=pmix).
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"}) {
    if (std::getenv(variable) != nullptr) return true;
  }
  // srun of one task may as well be meant for ranks as threads.
  const char* tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  return tasks != nullptr && std::atoi(tasks) > 1;
}

}  // namespace opx::comm::mpi
