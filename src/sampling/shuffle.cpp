// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/shuffle.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

namespace opx::sampling {
namespace {
constexpr std::uint32_t kShuffleLayer = 32;  // apart from the rounds of base::KeyedPermutation
}

// The first `until` elements; the choice among n - i of them is off by at most n / 2^32.
void Shuffle::shuffle_small(std::uint64_t stream, Index n, Index until, Kept& kept) const {
  std::uint16_t* values = kept.values.data();
  if (kept.stream != stream) {
    kept.stream = stream, kept.done = 0;
    std::iota(values, values + n, std::uint16_t{0});
  }
  std::array<std::uint32_t, 4> words{};
  for (Index i = kept.done; i < until; ++i) {
    if (i % 4 == 0 || i == kept.done) {
      words = base::philox(key_, {.step = static_cast<std::uint32_t>(stream >> 32),
                                  .layer = kShuffleLayer,
                                  .vertex = static_cast<std::uint64_t>(i - i % 4),
                                  .word = static_cast<std::uint32_t>(stream)});
    }
    const auto left = static_cast<std::uint64_t>(n - i);
    const auto pick = static_cast<Index>(words[static_cast<std::size_t>(i % 4)] * left >> 32);
    std::swap(values[i], values[i + pick]);
  }
  kept.done = std::max(kept.done, until);
}

void Shuffle::permute(std::uint64_t stream, Index n, Kept& kept) {
  const base::KeyedPermutation permutation(key_, stream, n);
  const std::span<Index> all(piece_.data(), static_cast<std::size_t>(n));
  permutation.evaluate({0, n}, all);
  std::ranges::transform(all, kept.values.begin(), [](Index e) { return static_cast<std::uint16_t>(e); });
  kept.stream = stream, kept.done = n;
}

}  // namespace opx::sampling
