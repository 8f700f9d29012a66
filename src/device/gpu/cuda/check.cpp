// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/gpu/cuda/check.hpp"

#include "base/error.hpp"

namespace opx::device::gpu::cuda {

void throw_code(cudaError_t code, const char* call, const char* last_kernel) {
  static_cast<void>(cudaGetLastError());
  std::string text = fmt::format("{}: {} ({})", call, cudaGetErrorString(code), cudaGetErrorName(code));
  if (last_kernel != nullptr) text += fmt::format("; last kernel: {}", last_kernel);
  if (code == cudaErrorMemoryAllocation) throw base::OutOfMemory(text);
  throw base::DeviceError(text);
}

}  // namespace opx::device::gpu::cuda
