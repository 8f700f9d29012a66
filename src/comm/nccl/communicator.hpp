// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Collectives on GPU memory over NCCL. Private to comm/ and its tests: others ask device_communicator().
//
// A collective is put on the Device's kComm stream, behind what the compute stream holds when it is called;
// Request::wait() lets the compute stream go on behind it. The host waits for nothing. One stream for all of
// them: kernels of two NCCL communicators that run at the same time may keep each other from a GPU and wait
// for ever, and one stream gives them one order on every rank. A reduce_scatter's sum, which is local, goes
// on kReduce, so that the next transfer runs beside it. Bytes travel by grouped sends and receives
// (all_gather: NCCL's own); sums are kernels of ours in rank order (gpu/reduce.hpp), so results equal those
// of threads and MPI to the bit. What is received is what Traffic counts.
#pragma once

#include <memory>

#include "comm/communicator.hpp"
#include "device/context.hpp"

namespace opx::comm::nccl {

[[nodiscard]] bool compiled() noexcept;

/// Every rank of `inner` computes on a GPU of its own. Collectives on host memory, and those where one buffer
/// is host memory, go to `inner` (staged), which also carries NCCL's ids and must outlive the result. One
/// NCCL communicator a group, made at its first collective on GPU memory. Which buffers are GPU memory must
/// be the same on all ranks; where all of a rank's are empty the purpose decides (detail/place.hpp). With
/// CommOptions::check_collectives calls are compared first (call_check.hpp), but those of a captured step,
/// whose rehearsals were.
///
/// A watchdog per rank polls NCCL's asynchronous errors, the job's state, and whether a collective has taken
/// longer than `timeout_seconds`; then it aborts NCCL's communicators and the job, and the next collective
/// throws CommError.
[[nodiscard]] std::unique_ptr<Communicator> make_communicator(device::Context& context, Communicator& inner,
                                                              double timeout_seconds);

}  // namespace opx::comm::nccl
