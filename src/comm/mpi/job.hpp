// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks as MPI processes.
#pragma once

#include "base/function_ref.hpp"
#include "comm/communicator.hpp"

namespace opx::comm::mpi {

/// Whether mpirun, mpiexec or srun started this process, by the variables that they set. The one place of the
/// library that reads the environment. Needs no MPI; a build without MPI answers as well.
[[nodiscard]] bool launched_under_mpi() noexcept;

/// MPI from construction to destruction. Asks for MPI_THREAD_SERIALIZED: every MPI call of the process goes
/// through one lock, so any thread of a rank may use its communicators, one at a time, and abort() from any.
/// An MPI that is initialised already is used as it is and not finalised. One at a time per process. Throws
/// CommError where MPI cannot serve, NotCompiled in a build without MPI.
class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] int rank() const noexcept { return rank_; }
  [[nodiscard]] int size() const noexcept { return size_; }

  /// Collective over all processes: runs body(world) on each. When it throws on any rank, all ranks throw the
  /// error of the lowest failing one, with "rank R: " before its message where there is more than one rank
  /// (so only one rank needs to print it). Where the others do not come to hear of it within about a second,
  /// because they wait for the failed rank in a collective, options.fatal gets the message and MPI_Abort ends
  /// the job with its exit code.
  void run(const CommOptions& options, base::FunctionRef<void(Communicator&)> body);

 private:
  bool finalise_ = false;
  int rank_ = 0, size_ = 1;
};

}  // namespace opx::comm::mpi
