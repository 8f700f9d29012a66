// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Philox 4x32-10 (Salmon et al., SC'11) over a vector of counters, and dropout's keep bits from it. The bits
// equal those of base::philox on every target. Included once per Highway target.
#if defined(OPX_TENSOR_CPU_PHILOX_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef OPX_TENSOR_CPU_PHILOX_INL_HPP
#undef OPX_TENSOR_CPU_PHILOX_INL_HPP
#else
#define OPX_TENSOR_CPU_PHILOX_INL_HPP
#endif

#include <array>
#include <cstdint>

#include <hwy/highway.h>

#include "base/random.hpp"
#include "base/types.hpp"

HWY_BEFORE_NAMESPACE();
namespace opx::tensor::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

HWY_INLINE void keep_bits(std::array<std::uint32_t, 4> counter, const std::array<std::uint32_t, 2>& key,
                          std::uint16_t threshold, Index words, std::uint8_t* HWY_RESTRICT bits) {
  for (Index w = 0; w < words; ++w, ++counter[0]) {
    const auto r = base::philox_words(counter, key);
    unsigned byte = 0;
    for (unsigned h = 0; h < 8; ++h)
      byte |= static_cast<unsigned>(((r[h / 2] >> (16 * (h % 2))) & 0xFFFFU) > threshold) << h;
    bits[w] = static_cast<std::uint8_t>(byte);
  }
}

#else

using U64 = hn::ScalableTag<std::uint64_t>;
using VU = hn::Vec<U64>;

/// One counter a 64-bit lane; only the low half of each lane counts, so a product needs no shuffle.
struct PhiloxState {
  VU c0, c1, c2, c3;
};

HWY_INLINE PhiloxState philox_rounds(PhiloxState s, std::uint32_t key0, std::uint32_t key1) {
  const U64 d;
  const hn::Repartition<std::uint32_t, U64> d32;
  const auto m0 = hn::Set(d32, 0xD2511F53U), m1 = hn::Set(d32, 0xCD9E8D57U);
  for (int round = 0; round < 10; ++round) {
    const VU p0 = hn::MulEven(hn::BitCast(d32, s.c0), m0), p1 = hn::MulEven(hn::BitCast(d32, s.c2), m1);
    const VU k0 = hn::Set(d, std::uint64_t{key0}), k1 = hn::Set(d, std::uint64_t{key1});
    s = {hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), s.c1), k0), p1,
         hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), s.c3), k1), p0};
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return s;
}

/// Byte w of `bits` holds the keep bits of the 8 features of Philox word `word_begin + w`: set where the
/// 16-bit draw is above `threshold`. Writes up to a vector of bytes past `words`.
HWY_INLINE void keep_bits(const std::array<std::uint32_t, 4>& counter,
                          const std::array<std::uint32_t, 2>& key, std::uint16_t threshold, Index words,
                          std::uint8_t* HWY_RESTRICT bits) {
  const U64 d;
  const hn::Repartition<std::uint16_t, U64> d16;
  const auto n = static_cast<Index>(hn::Lanes(d));
  // Even lanes take the first half of the words, odd lanes the second: then interleaving leaves them in
  // order.
  HWY_ALIGN std::uint64_t order[hn::MaxLanes(U64())];
  for (Index l = 0; l < n; ++l) order[l] = static_cast<std::uint64_t>(l / 2 + (l % 2) * (n / 2));
  VU word = hn::Add(hn::Load(d, order), hn::Set(d, std::uint64_t{counter[0]}));
  const VU low = hn::Set(d, std::uint64_t{0xFFFFFFFFU});
  const auto limit = hn::Set(d16, threshold);
  for (Index w = 0; w < words; w += n) {
    const PhiloxState r =
        philox_rounds({word, hn::Set(d, std::uint64_t{counter[1]}), hn::Set(d, std::uint64_t{counter[2]}),
                       hn::Set(d, std::uint64_t{counter[3]})},
                      key[0], key[1]);
    const VU first = hn::Or(hn::And(r.c0, low), hn::ShiftLeft<32>(r.c1));
    const VU second = hn::Or(hn::And(r.c2, low), hn::ShiftLeft<32>(r.c3));
    hn::StoreMaskBits(d16, hn::Gt(hn::BitCast(d16, hn::InterleaveLower(d, first, second)), limit), bits + w);
    hn::StoreMaskBits(d16, hn::Gt(hn::BitCast(d16, hn::InterleaveUpper(d, first, second)), limit),
                      bits + w + n / 2);
    word = hn::Add(word, hn::Set(d, static_cast<std::uint64_t>(n)));
  }
}

#endif  // HWY_TARGET == HWY_SCALAR

}  // namespace opx::tensor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // OPX_TENSOR_CPU_PHILOX_INL_HPP
