// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums over all entries before, on a GPU: CUB's with CUDA (scan_cub.cu), a plain loop on the host runtime
// (scan_host.cu).
#pragma once

#include <cstddef>

#include "device/gpu/device.hpp"

namespace opx::sampling::gpu {

/// Bytes of GPU memory that a scan of up to n < 2^31 entries needs beside them.
[[nodiscard]] std::size_t scan_bytes(device::gpu::Device& device, Index n);
/// values[i] = values[0] + ... + values[i] in place, in the order of `stream`. Never synchronises.
void inclusive_sum(device::gpu::Device& device, device::gpu::Stream stream, Index* values, Index n,
                   void* scratch, std::size_t scratch_bytes);

}  // namespace opx::sampling::gpu
