// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "base/types.hpp"

namespace opx::tensor::cpu {

/// Rows a task of an elementwise pass takes: about half a megabyte, whatever the number of threads.
constexpr Index row_grain(Index cols) noexcept {
  return std::clamp<Index>((Index{1} << 17) / std::max<Index>(cols, 1), 64, 4096);
}

}  // namespace opx::tensor::cpu
