// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/blocks.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "base/error.hpp"

namespace opx::sampling {
namespace {
constexpr int kDigitBits = 11;
}

Blocks::Blocks(Index vertices, int count, std::span<const int> looked)
    : vertices_(vertices),
      count_(count),
      looked_(looked.begin(), looked.end()),
      flag_(static_cast<std::size_t>(count), 0) {
  int last = -1;
  for (const int b : looked_) {
    OPX_REQUIRE(b > last && b < count, InvalidArgument,
                "block {} after block {} in a rising list of {} blocks of the grid", b, last, count);
    flag_[static_cast<std::size_t>(b)] = 1;
    last = b;
  }
}

bool Blocks::any_looked_at(Range positions) const noexcept {
  for (int b = of(positions.begin), last = of(positions.end - 1); b <= last; ++b)
    if (looks_at(b)) return true;
  return false;
}

bool Blocks::all_looked_at(Range positions) const noexcept {
  for (int b = of(positions.begin), last = of(positions.end - 1); b <= last; ++b)
    if (!looks_at(b)) return false;
  return true;
}

Draw::Draw(Index vertices, Index most)
    : bits_(vertices <= 1 ? 0 : static_cast<int>(std::bit_width(static_cast<std::uint64_t>(vertices - 1)))) {
  keys_.reserve(static_cast<std::size_t>(most)), scratch_.reserve(static_cast<std::size_t>(most));
}

// Radix sort from the low digit: O(count) whatever the positions.
void Draw::sort() {
  scratch_.resize(keys_.size());
  for (int shift = 0; shift < bits_; shift += kDigitBits) {
    constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;
    std::array<std::uint32_t, kDigits> next{};
    const auto digit = [&](std::uint64_t key) { return (key >> (32 + shift)) & (kDigits - 1); };
    for (const std::uint64_t k : keys_) ++next[digit(k)];
    std::uint32_t sum = 0;
    for (std::uint32_t& n : next) n = std::exchange(sum, sum + n);
    for (const std::uint64_t k : keys_) scratch_[next[digit(k)]++] = k;
    keys_.swap(scratch_);
  }
}

void Draw::reserve(Selection& out) const {
  const std::size_t most = keys_.capacity();
  out.position.reserve(most), out.stratum.reserve(most), out.same.reserve(most), out.other.reserve(most);
  out.weight.reserve(most);
}

void Draw::fill_offsets(const Blocks& blocks, Selection& out) const {
  out.offsets.resize(static_cast<std::size_t>(blocks.count()) + 1);
  auto at = out.position.begin();
  for (int b = 0; b < blocks.count(); ++b) {
    out.offsets[static_cast<std::size_t>(b)] = at - out.position.begin();
    if (blocks.looks_at(b)) at = std::lower_bound(at, out.position.end(), blocks.range(b).end);
  }
  out.offsets.back() = at - out.position.begin();
}

}  // namespace opx::sampling
