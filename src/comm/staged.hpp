// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Collectives on memory of a GPU over a communicator that reads and writes host memory: threads, or an MPI
// that is not GPU-aware. Lets several ranks share one GPU, which NCCL refuses.
#pragma once

#include <memory>

#include "comm/communicator.hpp"
#include "device/context.hpp"

namespace opx::comm {

/// Spans of GPU memory are copied to the host before a collective starts and back when it is waited for, both
/// in the order of the context's compute stream, which is waited for; spans of host memory go straight
/// through. Same order of sums, same counted traffic and same errors as `inner`, which must outlive it, as
/// must `context` (on a GPU). Groups that are split off are staged too.
[[nodiscard]] std::unique_ptr<Communicator> staged_communicator(device::Context& context,
                                                                Communicator& inner);

}  // namespace opx::comm
