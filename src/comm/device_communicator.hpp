// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The communicator for memory of GPUs: NCCL where it is compiled in and every rank has a GPU of its own (NCCL
// refuses two ranks on one); else MPI, where it takes pointers to memory of GPUs; else staged through the
// host.
#pragma once

#include <memory>

#include "comm/communicator.hpp"
#include "device/context.hpp"

namespace opx::comm {

/// For `context` on a GPU. Collective over `world`, which must outlive it, as must `context`. Every rank gets
/// the same kind; backend() tells which ("nccl", "mpi+gpu", or that of `world`: staged). `timeout_seconds`:
/// NCCL's watchdog, as in CommOptions. Set-up traffic is not counted.
[[nodiscard]] std::unique_ptr<Communicator> device_communicator(device::Context& context, Communicator& world,
                                                                double timeout_seconds = 600);

}  // namespace opx::comm
