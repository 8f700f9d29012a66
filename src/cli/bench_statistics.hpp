// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Median with the 10th and 90th percentile.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace opx::cli {

struct Quantiles {
  double median = 0, p10 = 0, p90 = 0;
};

/// Nearest-rank quantiles; `samples` is not empty.
[[nodiscard]] inline Quantiles quantiles(std::vector<double> samples) {
  std::ranges::sort(samples);
  const auto at = [&](double q) {
    return samples[static_cast<std::size_t>(q * static_cast<double>(samples.size() - 1) + 0.5)];
  };
  return {at(0.5), at(0.1), at(0.9)};
}

}  // namespace opx::cli
