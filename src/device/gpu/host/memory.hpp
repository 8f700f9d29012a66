// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What stands for a GPU's memory: heap memory, which AddressSanitizer walls in, counted against a fixed size.
#pragma once

#include <cstddef>

namespace opx::device::gpu::host {

constexpr std::size_t kMemoryTotal = std::size_t{16} << 30;

enum class Kind { kDevice, kPinned };

/// 256-byte aligned. Throws OutOfMemory with what was asked for and what was free (device: of kMemoryTotal
/// for all Devices of the process).
void* take(std::size_t bytes, Kind kind);
/// From now on the memory counts as free and is nobody's; its bytes stay until release().
void forget(void* pointer, std::size_t bytes, Kind kind) noexcept;
void release(void* pointer) noexcept;
[[nodiscard]] bool lies_in(const void* pointer, Kind kind) noexcept;
[[nodiscard]] std::size_t memory_free() noexcept;
/// Under AddressSanitizer: nobody may touch it until permit().
void forbid(void* pointer, std::size_t bytes) noexcept;
void permit(void* pointer, std::size_t bytes) noexcept;

}  // namespace opx::device::gpu::host
