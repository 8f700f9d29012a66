// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Stable sorts of the entries of one tile by key: least significant digit first (Seward 1954, as in Knuth
// volume 3, 5.2.5), with the histograms of all digits taken in one pass; insertion for a handful. An item is
// a key, or a key with its weight. Private to graph/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/error.hpp"

namespace opx::graph::detail {

template <class Key>
struct Weighted {
  Key key;
  float weight;
};
template <class Key>
Key key_of(Key k) noexcept {
  return k;
}
template <class Key>
Key key_of(const Weighted<Key>& w) noexcept {
  return w.key;
}
template <class Key>
Key make_item(Key k, float, Key*) noexcept {
  return k;
}
template <class Key>
Weighted<Key> make_item(Key k, float w, Weighted<Key>*) noexcept {
  return {k, w};
}

template <class Item>
void insertion_sort(Item* a, std::size_t n) noexcept {
  for (std::size_t i = 1; i < n; ++i) {
    const Item item = a[i];
    std::size_t j = i;
    for (; j > 0 && key_of(a[j - 1]) > key_of(item); --j) a[j] = a[j - 1];
    a[j] = item;
  }
}

/// Keys of at most `Passes` digits of `Bits` bits. Returns where the sorted items are: `a` or `spare`.
template <int Bits, int Passes, class Item>
Item* radix_sort(Item* a, Item* spare, std::size_t n) noexcept {
  constexpr std::size_t kBuckets = std::size_t{1} << Bits;
  std::array<std::array<std::uint32_t, kBuckets>, Passes> next{};
  for (std::size_t i = 0; i < n; ++i)
    for (int p = 0; p < Passes; ++p) ++next[p][(std::uint64_t{key_of(a[i])} >> (p * Bits)) & (kBuckets - 1)];
  for (int p = 0; p < Passes; ++p) {
    std::uint32_t sum = 0;
    for (auto& c : next[p]) sum += std::exchange(c, sum);
    for (std::size_t i = 0; i < n; ++i)
      spare[next[p][(std::uint64_t{key_of(a[i])} >> (p * Bits)) & (kBuckets - 1)]++] = a[i];
    std::swap(a, spare);
  }
  return a;
}

/// Sorts n items whose keys have `key_bits` bits; `spare` is as long as `a`. Returns where the sorted items
/// are.
template <class Item>
Item* sort_items(Item* a, Item* spare, std::size_t n, int key_bits) {
  constexpr std::size_t kTiny = 32, kSome = 512, kMany = 8192;
  if (n <= kTiny) {
    insertion_sort(a, n);
    return a;
  }
  OPX_REQUIRE(n <= 0xffffffffU, InternalError, "{} entries in one tile", n);
  if (key_bits <= 16) return radix_sort<8, 2>(a, spare, n);
  if (key_bits <= 24) return radix_sort<8, 3>(a, spare, n);
  if (n >= kSome && key_bits <= 27) return radix_sort<9, 3>(a, spare, n);
  if (n >= kSome && n < kMany && key_bits <= 30) return radix_sort<10, 3>(a, spare, n);
  if (n >= kSome && key_bits <= 33) return radix_sort<11, 3>(a, spare, n);
  if (key_bits <= 32) return radix_sort<8, 4>(a, spare, n);
  if (key_bits <= 44) return radix_sort<11, 4>(a, spare, n);
  return radix_sort<11, 6>(a, spare, n);
}

}  // namespace opx::graph::detail
