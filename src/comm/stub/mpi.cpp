// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A build without MPI.
#include "comm/mpi/gpu_communicator.hpp"
#include "comm/mpi/job.hpp"

namespace opx::comm::mpi {
namespace {

[[noreturn]] void not_compiled() { throw base::NotCompiled("this build has no MPI (OPX_WITH_MPI=OFF)"); }

}  // namespace

Session::Session() { not_compiled(); }
Session::~Session() = default;
void Session::run(const CommOptions&, base::FunctionRef<void(Communicator&)>) { not_compiled(); }

GpuSupport gpu_support() { return {false, "this build has no MPI"}; }
bool takes_gpu_memory(const Communicator&) { return false; }

}  // namespace opx::comm::mpi
