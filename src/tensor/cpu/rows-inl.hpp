// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and mask bits of a row whose length is no multiple of the vector. Included once per Highway
// target.
#if defined(OPX_TENSOR_CPU_ROWS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef OPX_TENSOR_CPU_ROWS_INL_HPP
#undef OPX_TENSOR_CPU_ROWS_INL_HPP
#else
#define OPX_TENSOR_CPU_ROWS_INL_HPP
#endif

#include <cstdint>
#include <cstring>

#include <hwy/highway.h>

#include "base/types.hpp"

HWY_BEFORE_NAMESPACE();
namespace opx::tensor::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using VF = hn::Vec<F32>;
using MF = hn::Mask<F32>;

HWY_INLINE Index lanes() { return static_cast<Index>(hn::Lanes(F32())); }

/// Elements [j, j + lanes) of a row of n; zero past its end.
HWY_INLINE VF load(const float* HWY_RESTRICT row, Index j, Index n) {
  const F32 d;
  if (HWY_LIKELY(j + lanes() <= n)) return hn::LoadU(d, row + j);
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float tail[hn::MaxLanes(F32())] = {};
  std::memcpy(tail, row + j, static_cast<size_t>(n - j) * sizeof(float));
  return hn::Load(d, tail);
#else
  return hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(n - j)), d, row + j);
#endif
}

/// Stores what of [j, j + lanes) lies in the row.
HWY_INLINE void store(VF v, float* HWY_RESTRICT row, Index j, Index n) {
  const F32 d;
  if (HWY_LIKELY(j + lanes() <= n)) return hn::StoreU(v, d, row + j);
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float tail[hn::MaxLanes(F32())];
  hn::Store(v, d, tail);
  std::memcpy(row + j, tail, static_cast<size_t>(n - j) * sizeof(float));
#else
  hn::BlendedStore(v, hn::FirstN(d, static_cast<size_t>(n - j)), d, row + j);
#endif
}

/// Lanes of [j, j + lanes) that lie in the row.
HWY_INLINE MF inside(Index j, Index n) {
  return hn::FirstN(F32(), static_cast<size_t>(HWY_MIN(n - j, lanes())));
}

/// Lane l set where bit `offset + l` of the word is.
HWY_INLINE MF mask_from_bits(std::uint64_t word, Index offset) {
  const std::uint64_t bits = word >> offset;
  std::uint8_t bytes[8];
  std::memcpy(bytes, &bits, 8);
  return hn::LoadMaskBits(F32(), bytes);
}

/// The reverse: bit `offset + l` set where lane l is.
HWY_INLINE std::uint64_t bits_from_mask(MF mask, Index offset) {
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(F32(), mask, bytes);
  std::uint64_t bits;
  std::memcpy(&bits, bytes, 8);
  return bits << offset;
}

HWY_INLINE float sum_of(VF v) { return hn::GetLane(hn::SumOfLanes(F32(), v)); }

}  // namespace opx::tensor::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // OPX_TENSOR_CPU_ROWS_INL_HPP
