// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "base/random.hpp"

#include <bit>
#include <utility>

#include "base/error.hpp"

namespace opx::base {
namespace {
constexpr std::uint32_t kRounds = 6;
}

KeyedPermutation::KeyedPermutation(RandomKey key, std::uint64_t stream, Index n)
    : key_(key), stream_(stream), n_(n) {
  OPX_REQUIRE(n >= 0, InvalidArgument, "a permutation of {} elements", n);
  const unsigned bits =
      n <= 1 ? 2U : static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(n - 1)));
  half_bits_ = (bits + 1) / 2;
  half_mask_ = (std::uint64_t{1} << half_bits_) - 1;
}

std::uint32_t KeyedPermutation::round(std::uint32_t r, std::uint64_t half) const noexcept {
  const RandomCounter c{.step = static_cast<std::uint32_t>(stream_ >> 32),
                        .layer = r,
                        .vertex = half,
                        .word = static_cast<std::uint32_t>(stream_)};
  return philox(key_, c)[0];
}

Index KeyedPermutation::operator()(Index i) const noexcept {
  auto v = static_cast<std::uint64_t>(i);
  do {
    std::uint64_t left = v >> half_bits_, right = v & half_mask_;
    for (std::uint32_t r = 0; r < kRounds; ++r)
      left = std::exchange(right, left ^ (round(r, right) & half_mask_));
    v = (left << half_bits_) | right;
  } while (v >= static_cast<std::uint64_t>(n_));
  return static_cast<Index>(v);
}

Index KeyedPermutation::inverse(Index i) const noexcept {
  auto v = static_cast<std::uint64_t>(i);
  do {
    std::uint64_t left = v >> half_bits_, right = v & half_mask_;
    for (std::uint32_t r = kRounds; r-- > 0;)
      right = std::exchange(left, right ^ (round(r, left) & half_mask_));
    v = (left << half_bits_) | right;
  } while (v >= static_cast<std::uint64_t>(n_));
  return static_cast<Index>(v);
}

}  // namespace opx::base
