// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Measures multiply on a given sparse matrix beside the bound that memory sets: what `orthoplex bench spmm`
// and bench/spmm_bench print. It checks its own result first.
//
// The bound: every row of X that an LRU cache of the last-level cache's size misses, over the access sequence
// of the matrix, comes from memory once; column ids, offsets, values and Y pass through once. Those bytes,
// over the read bandwidth measured between the repeats of the same run. The size is the one measured in the
// same run (cache_probe.hpp), for a guest or a shared machine has less than it is told; the figures for the
// nominal size stand beside.
#pragma once

#include <string>
#include <vector>

#include "spmm/multiply.hpp"

namespace opx::spmm {

struct MeasureOptions {
  Index cols = 128;   ///< width of X and Y
  bool bf16 = false;  ///< bf16 X
  int warmups = 2;
  int repeats = 9;
  Index checked_rows = 200;             ///< rows of Y that are compared with ref/
  Index stream_words = Index{1} << 25;  ///< doubles in each array of the bandwidth probes
  std::size_t cache_bytes = 0;          ///< last-level cache; 0: measured, at most nominal_cache_bytes
  std::size_t nominal_cache_bytes = 0;  ///< 0: what the operating system says, or 32 MiB
  bool tight = false;                   ///< rows end to end, not at tensor::line_stride
  MultiplyOptions factors = {};         ///< of the product that is measured
};

/// Median, 10th and 90th percentile (nearest rank) of some samples.
struct Spread {
  double median = 0, p10 = 0, p90 = 0;
};
[[nodiscard]] Spread spread_of(std::vector<double> samples);

/// What memory allows, given a cache.
struct Bound {
  std::size_t cache_bytes = 0;
  double missed_share = 0;  ///< of the accesses to rows of X, by the LRU model
  double bytes = 0;         ///< see above
  double seconds = 0;       ///< bytes / read_bandwidth
  double ratio = 0;         ///< seconds / seconds.median of the product: 1 is as fast as memory allows
};

struct Measurement {
  Spread seconds;
  double flops = 0;            ///< 2 nnz cols
  double fetched_bytes = 0;    ///< nnz rows of X: what would move without any cache
  double read_bandwidth = 0;   ///< bytes per second, median over the repeats
  double triad_bandwidth = 0;  ///< a[i] = b[i] + s c[i], three streams counted
  Bound bound;                 ///< with the cache that was measured (or given)
  Bound nominal;               ///< with the cache that the operating system tells of
  double largest_error = 0;    ///< over the checked rows, over (entries of the row + 1)
  std::string target;          ///< instruction set
};

/// Runs multiply on drawn features. Throws InternalError if a checked row differs from ref/ by more than
/// rounding.
[[nodiscard]] Measurement measure(device::Context& context, const CsrView& a,
                                  const MeasureOptions& options = {});

/// How many accesses of the sequence a.col_ids miss a fully associative LRU cache of `capacity` entries (>=
/// 1). O(1) an access.
[[nodiscard]] Index lru_misses(const CsrView& a, Index capacity);

/// Size of the last-level cache as the operating system reports it, or 32 MiB where it does not.
[[nodiscard]] std::size_t last_level_cache_bytes();

}  // namespace opx::spmm
