// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers in text. Integers are read eight digits at a time without a branch per digit (the word trick that
// simdjson and fast_float use); floats by fast_float in number.cpp.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/types.hpp"

namespace opx::io {

/// Bytes that must be readable behind any text given to parse_index.
inline constexpr std::size_t kTextPadding = 16;

namespace detail {
/// Value of the first `digits` (1 to 8) characters of `word`, whose bytes are digit values 0..9.
inline std::uint64_t eight_digits(std::uint64_t word, int digits) noexcept {
  word <<= 64 - 8 * digits;
  word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FFULL;
  word = (word * 100 + (word >> 16)) & 0x0000FFFF0000FFFFULL;
  return (word * 10000 + (word >> 32)) & 0xFFFFFFFFULL;
}
inline constexpr std::uint64_t kPowersOfTen[9] = {1,      10,      100,      1000,     10000,
                                                  100000, 1000000, 10000000, 100000000};
}  // namespace detail

/// Reads decimal digits at `p` into `out`; returns the first character after them, or null where there is
/// none or the value exceeds 10^18. Up to kTextPadding bytes behind the number are read.
inline const char* parse_index(const char* p, Index& out) noexcept {
  static_assert(std::endian::native == std::endian::little);
  std::uint64_t value = 0;
  for (int words = 0; words < 3; ++words) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, 8);
    word ^= 0x3030303030303030ULL;
    const std::uint64_t other = ((word + 0x7676767676767676ULL) | word) & 0x8080808080808080ULL;
    const int digits = other == 0 ? 8 : std::countr_zero(other) / 8;
    if (digits == 0) {
      if (words == 0) return nullptr;
      break;
    }
    if (words == 2 && digits > 3) return nullptr;  // 20 digits and more
    value = value * detail::kPowersOfTen[digits] + detail::eight_digits(word, digits);
    p += digits;
    if (digits < 8) break;
  }
  if (value > 1'000'000'000'000'000'000ULL) return nullptr;
  out = static_cast<Index>(value);
  return p;
}

/// Reads a number at [p, end) as C's strtod would in the C locale (nan, inf too); returns the first character
/// after it, or null. Needs no padding.
const char* parse_float(const char* p, const char* end, float& out) noexcept;
const char* parse_double(const char* p, const char* end, double& out) noexcept;

}  // namespace opx::io
