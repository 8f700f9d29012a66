// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What stands for a GPU's memory: heap memory, which AddressSanitizer walls in, counted against a fixed size.
#pragma once

#include <cstddef>

namespace opx::device::gpu::host {

/// 16 GiB, or the environment's OPX_GPU_HOST_MEMORY ("64MiB"). Throws InvalidArgument where that is no size.
[[nodiscard]] std::size_t memory_total();

enum class Kind { kDevice, kPinned };

/// 256-byte aligned. Null where there is no memory for it (device: of memory_total() for all Devices of the
/// process).
[[nodiscard]] void* take(std::size_t bytes, Kind kind);
/// From now on the memory counts as free and is nobody's; its bytes stay until release().
void forget(void* pointer, std::size_t bytes, Kind kind) noexcept;
void release(void* pointer) noexcept;
[[nodiscard]] bool lies_in(const void* pointer, Kind kind) noexcept;
[[nodiscard]] std::size_t memory_free();
/// Under AddressSanitizer: nobody may touch it until permit().
void forbid(void* pointer, std::size_t bytes) noexcept;
void permit(void* pointer, std::size_t bytes) noexcept;

}  // namespace opx::device::gpu::host
