/* SPDX-FileCopyrightText: 2026 The Orthoplex authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * The part of NCCL's interface that src/comm/nccl uses, over the host runtime and ranks as threads: for tests
 * of the communicator's own logic (parts, offsets, streams, errors) where no GPU is. */
#pragma once

#include <cstddef>

using cudaStream_t = void*;
using ncclComm_t = struct ncclComm*;
struct ncclUniqueId {
  char internal[128];
};
enum ncclResult_t { ncclSuccess = 0, ncclSystemError = 2, ncclInvalidUsage = 5, ncclInProgress = 7 };
enum ncclDataType_t { ncclUint8 = 1 };

ncclResult_t ncclGetUniqueId(ncclUniqueId* id);
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank);
ncclResult_t ncclCommDestroy(ncclComm_t comm);
ncclResult_t ncclCommAbort(ncclComm_t comm);
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error);
const char* ncclGetErrorString(ncclResult_t code);
const char* ncclGetLastError(ncclComm_t comm);
ncclResult_t ncclGroupStart();
ncclResult_t ncclGroupEnd();
ncclResult_t ncclSend(const void* data, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream);
ncclResult_t ncclRecv(void* data, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream);
ncclResult_t ncclBroadcast(const void* send, void* receive, std::size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream);
ncclResult_t ncclAllGather(const void* send, void* receive, std::size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream);

namespace opx::device::gpu {
class Device;
}
namespace opx::test {
/// The calling rank's GPU, which CUDA would know. And an asynchronous error for all communicators (0: none).
void fake_nccl_device(device::gpu::Device* device);
void fake_nccl_error(ncclResult_t code);
/// Whether ending a communicator waited for a captured graph that nobody destroyed meanwhile: NCCL would wait
/// for ever. Asking forgets it.
bool fake_nccl_waited_in_vain();
}  // namespace opx::test
