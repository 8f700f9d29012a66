// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// How much of the last-level cache this process really gets. A virtual machine is told the size of the whole
// cache, but shares it with its neighbours or is confined to some of its ways; the bound of a kernel should
// count misses of the cache that is there. Measured by dependent loads over growing working sets: the latency
// rises from the plateau of the caches to that of memory where the set no longer fits (the knee).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "device/context.hpp"

namespace opx::spmm {

/// Seconds of one dependent load while all threads together go round in `bytes` of memory.
struct CachePoint {
  std::size_t bytes = 0;
  double seconds = 0;
};

/// The knee of a latency curve (sizes rising): where it passes the middle between its plateaus, which are the
/// medians of its first and last three points, between the last size below and the next one, interpolated in
/// the logarithm of the size. At most `nominal`; `nominal` where the curve has no two plateaus (memory less
/// than 1.5 times as slow as the caches, or fewer than six points).
[[nodiscard]] std::size_t knee_of(std::span<const CachePoint> curve, std::size_t nominal);

/// Chases from nominal / 16 to 4 * nominal, two sizes an octave, fastest of three rounds each. Every thread
/// has its own share of the working set, so that threads that share a cache fill it together, and threads
/// with one each fill theirs. The 64 lines of a page are visited in a drawn order before the next (drawn)
/// page, so that address translation does not shift the knee. Holds 4 * nominal bytes; below a second at 32
/// MiB.
[[nodiscard]] std::vector<CachePoint> cache_curve(device::Context& context, std::size_t nominal);

/// knee_of(cache_curve).
[[nodiscard]] std::size_t measured_cache_bytes(device::Context& context, std::size_t nominal);

}  // namespace opx::spmm
