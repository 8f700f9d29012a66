// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Counter-based random numbers: Philox 4x32-10 (Salmon et al., SC'11; the tests compare it with Random123).
// Every draw is a pure function of (seed, purpose, step, layer, global vertex, feature word), never of rank,
// thread or grid (design.md 4.6). What is constexpr may be called in GPU kernels.
#pragma once

#include <array>
#include <cstdint>

#include "base/types.hpp"

namespace opx::base {

/// What a stream of random numbers is for; streams of different purposes never overlap.
enum class Purpose : std::uint32_t {
  kInit = 1,
  kDropout = 2,
  kDeal = 3,
  kOrder = 4,
  kSplit = 5,
  kGenerate = 6,
  kSample = 7,
  kLearnedFeatures = 8,
  kBench = 9,
  kTest = 10,
};

/// Key of one stream.
struct RandomKey {
  std::uint64_t seed = 0;
  Purpose purpose = Purpose::kTest;
};

/// Counter: four 32-bit words. `vertex` may be any 64-bit index, `layer` has 8 bits, `step` 32, `word` 32
/// - 8.
struct RandomCounter {
  std::uint32_t step = 0;
  std::uint32_t layer = 0;
  std::uint64_t vertex = 0;
  std::uint32_t word = 0;
};

/// The key words: (low seed, high seed xor purpose * golden ratio).
constexpr std::array<std::uint32_t, 2> key_words(RandomKey key) noexcept {
  return {static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32) ^
                                                    (static_cast<std::uint32_t>(key.purpose) * 0x9E3779B9U)};
}

/// The counter words: c0 = word, c1 = low vertex, c2 = high vertex (24 bits) | layer << 24, c3 = step.
constexpr std::array<std::uint32_t, 4> counter_words(RandomCounter c) noexcept {
  return {c.word, static_cast<std::uint32_t>(c.vertex),
          (static_cast<std::uint32_t>(c.vertex >> 32) & 0xFFFFFFU) | (c.layer << 24), c.step};
}

/// Philox 4x32-10 of a counter under a key; the scalar reference of the vectorised forms.
constexpr std::array<std::uint32_t, 4> philox_words(std::array<std::uint32_t, 4> c,
                                                    std::array<std::uint32_t, 2> k) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p = std::uint64_t{0xD2511F53U} * c[0], q = std::uint64_t{0xCD9E8D57U} * c[2];
    c = {static_cast<std::uint32_t>(q >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(q),
         static_cast<std::uint32_t>(p >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p)};
    k = {k[0] + 0x9E3779B9U, k[1] + 0xBB67AE85U};
  }
  return c;
}

/// Four random words.
constexpr std::array<std::uint32_t, 4> philox(RandomKey key, RandomCounter counter) noexcept {
  return philox_words(counter_words(counter), key_words(key));
}

/// 24 random bits as a float in [0, 1).
constexpr float uniform_float(std::uint32_t bits) noexcept {
  return static_cast<float>(bits >> 8) * 0x1.0p-24F;
}
/// 53 random bits as a double in [0, 1).
constexpr double uniform_double(std::uint32_t high, std::uint32_t low) noexcept {
  return static_cast<double>((static_cast<std::uint64_t>(high) << 21) ^ (low >> 11)) * 0x1.0p-53;
}
/// Unbiased enough for any n < 2^32 (multiply-shift on 64 bits): an integer in [0, n).
constexpr std::uint64_t uniform_below(std::uint32_t high, std::uint32_t low, std::uint64_t n) noexcept {
  const auto u = (static_cast<unsigned __int128>(high) << 32) | low;
  return static_cast<std::uint64_t>((u * n) >> 64);
}

/// Keyed pseudo-random permutation of [0, n), evaluated at one point without a table: a balanced Feistel
/// network of six Philox rounds on the next even power of two, cycle-walked into [0, n). Same on every rank.
class KeyedPermutation {
 public:
  /// `stream` separates permutations of one key (a block, an epoch).
  KeyedPermutation(RandomKey key, std::uint64_t stream, Index n);
  [[nodiscard]] Index size() const noexcept { return n_; }
  [[nodiscard]] Index operator()(Index i) const noexcept;
  [[nodiscard]] Index inverse(Index i) const noexcept;
  /// out[k] = (*this)(points.begin + k), many at a time with the vectors that the processor has. `out` has
  /// points.size() elements.
  void evaluate(Range points, std::span<Index> out) const;

 private:
  [[nodiscard]] std::uint32_t round(std::uint32_t r, std::uint64_t half) const noexcept;
  RandomKey key_;
  std::uint64_t stream_;
  Index n_;
  unsigned half_bits_;
  std::uint64_t half_mask_;
};

}  // namespace opx::base
