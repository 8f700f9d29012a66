// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to gpu/: the error of all runtimes where memory does not suffice.
#pragma once

#include <algorithm>
#include <cstddef>

#include "base/error.hpp"
#include "base/text.hpp"
#include "device/memory_account.hpp"

namespace opx::device::gpu {

/// The limit of a Device (0: none) holds back what the GPU would have.
[[nodiscard]] inline std::size_t free_below(std::size_t limit, const MemoryAccount& account,
                                            std::size_t free) noexcept {
  if (limit == 0) return free;
  const std::size_t used = account.now();
  return std::min(free, used < limit ? limit - used : 0);
}

[[noreturn]] inline void throw_out_of_memory(std::size_t asked, std::size_t free, std::size_t total) {
  const auto text = [](std::size_t bytes) { return base::format_bytes(static_cast<double>(bytes)); };
  throw base::OutOfMemory(fmt::format("no GPU memory for {} ({} bytes); {} of {} are free", text(asked),
                                      asked, text(free), text(total)));
}

}  // namespace opx::device::gpu
