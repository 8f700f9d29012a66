// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Codes of the CUDA runtime as exceptions. For the files of CUDA backends only.
#pragma once

#include <cuda_runtime_api.h>

namespace opx::device::gpu::cuda {

/// DeviceError (OutOfMemory where the code says so) "CALL: TEXT (NAME); last kernel: KERNEL". Forgets the
/// runtime's last error, so that the next call starts clean unless the device is lost.
[[noreturn]] void throw_code(cudaError_t code, const char* call, const char* last_kernel);

inline void check(cudaError_t code, const char* call, const char* last_kernel = nullptr) {
  if (code != cudaSuccess) [[unlikely]]
    throw_code(code, call, last_kernel);
}

/// Work of the calling thread goes to this GPU.
inline void use_device(int ordinal) { check(cudaSetDevice(ordinal), "cudaSetDevice"); }

}  // namespace opx::device::gpu::cuda
