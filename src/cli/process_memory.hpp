// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <sys/resource.h>

namespace opx::cli {

/// Most memory that this process ever had resident (what `time -v` prints).
[[nodiscard]] inline std::int64_t peak_resident_bytes() noexcept {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? std::int64_t{usage.ru_maxrss} * 1024 : 0;
}

}  // namespace opx::cli
