// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Ranks as threads, each with a Device of the host runtime, over the stand-in for NCCL.
#pragma once

#include <initializer_list>
#include <memory>

#include <nccl.h>

#include "base/function_ref.hpp"
#include "comm/nccl/communicator.hpp"
#include "comm/threads/job.hpp"
#include "device/context.hpp"

namespace opx::test {

/// One rank: its GPU, its communicator over NCCL, the threads' beneath it.
struct NcclRank {
  explicit NcclRank(comm::Communicator& beneath, double timeout = 600)
      : threads(beneath), context({.threads = 1, .gpu = 0}) {
    fake_nccl_device(&context.gpu());
    nccl = comm::nccl::make_communicator(context, beneath, timeout);
  }
  comm::Communicator& threads;
  device::Context context;
  std::unique_ptr<comm::Communicator> nccl;
};

inline void with_nccl_ranks(std::initializer_list<int> sizes, base::FunctionRef<void(NcclRank&)> body,
                            const comm::CommOptions& options = {.timeout_seconds = 120}) {
  for (const int ranks : sizes) {
    comm::run_threads(ranks, options, [&](comm::Communicator& world) {
      NcclRank rank(world);
      body(rank);
    });
  }
}

}  // namespace opx::test
