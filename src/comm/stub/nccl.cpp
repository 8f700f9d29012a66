// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A build without NCCL.
#include "comm/nccl/communicator.hpp"

namespace opx::comm::nccl {

bool compiled() noexcept { return false; }
std::unique_ptr<Communicator> make_communicator(device::Context&, Communicator&, double) {
  throw base::NotCompiled("this build has no NCCL (OPX_WITH_NCCL)");
}

}  // namespace opx::comm::nccl
