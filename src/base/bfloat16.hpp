// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// bf16: the upper half of an fp32, rounded to nearest even. Storage and wire format; sums are kept in fp32.
// constexpr, so that GPU kernels may call it.
#pragma once

#include <bit>
#include <cstdint>

namespace opx {

struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  constexpr explicit bfloat16(float f) noexcept {
    const auto u = std::bit_cast<std::uint32_t>(f);
    const bool nan = (u & 0x7fffffffU) > 0x7f800000U;
    const std::uint32_t rounded = (u + 0x7fffU + ((u >> 16) & 1U)) >> 16;
    bits = static_cast<std::uint16_t>(nan ? ((u >> 16) | 0x40U) : rounded);
  }
  constexpr explicit operator float() const noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
  friend constexpr bool operator==(bfloat16 a, bfloat16 b) noexcept {
    return static_cast<float>(a) == static_cast<float>(b);
  }
};
static_assert(sizeof(bfloat16) == 2);

}  // namespace opx
