// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/shuffle.hpp"

#include <numeric>
#include <utility>

namespace opx::sampling {
namespace {
constexpr std::uint32_t kShuffleLayer = 32;  // apart from the rounds of base::KeyedPermutation
}

// The first `until` elements; the choice among n - i of them is off by at most n / 2^32.
void Shuffle::shuffle_small(std::uint64_t stream, Index n, Index until) {
  std::iota(small_.begin(), small_.begin() + n, std::int16_t{0});
  std::array<std::uint32_t, 4> words{};
  for (Index i = 0; i < until; ++i) {
    if (i % 4 == 0) {
      words = base::philox(key_, {.step = static_cast<std::uint32_t>(stream >> 32),
                                  .layer = kShuffleLayer,
                                  .vertex = static_cast<std::uint64_t>(i),
                                  .word = static_cast<std::uint32_t>(stream)});
    }
    const auto left = static_cast<std::uint64_t>(n - i);
    const auto pick = static_cast<Index>(words[static_cast<std::size_t>(i % 4)] * left >> 32);
    std::swap(small_[static_cast<std::size_t>(i)], small_[static_cast<std::size_t>(i + pick)]);
  }
}

}  // namespace opx::sampling
