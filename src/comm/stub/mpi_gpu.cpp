// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A build without MPI, or without a GPU runtime.
#include "comm/mpi/gpu_communicator.hpp"

namespace opx::comm::mpi {

std::unique_ptr<Communicator> gpu_communicator(device::Context&, Communicator&) {
  throw base::NotCompiled("this build has no MPI or no GPU runtime (OPX_WITH_MPI, OPX_WITH_CUDA)");
}

}  // namespace opx::comm::mpi
