// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The local half of every reduction of GPU memory: in rank order, so that its results equal those of threads
// and MPI to the bit. The libraries' own reductions add in an order of theirs, and bf16 in bf16.
#pragma once

#include "comm/communicator.hpp"
#include "device/gpu/device.hpp"

namespace opx::comm::gpu {

struct Parts {
  const void* others;  ///< those of the other ranks, in rank order, one after the other
  const void* own;
  void* out;    ///< may be `own`
  Index count;  ///< elements of a part
  int ranks, rank;
  DataType type;
  ReduceOp op;
};

/// out[i] = part 0[i] op part 1[i] op ..., left to right (see detail/reduce.hpp), in the order of `stream`.
/// All memory is the device's.
void reduce(device::gpu::Device& device, device::gpu::Stream stream, const Parts& parts);

}  // namespace opx::comm::gpu
