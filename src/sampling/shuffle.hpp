// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Chunks of keyed permutations, as samplers take them. Private to sampling/.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "base/random.hpp"
#include "base/types.hpp"

namespace opx::sampling {

/// Permutations of one seed under Purpose::kSample. Up to 256 elements they are shuffled (Fisher and Yates),
/// beyond they are base::KeyedPermutation: its network is far from uniform on a domain of a few bits (chances
/// of a pair off by 30 % for 8 elements, by 9 % for 12; no bias was found from 256 on).
class Shuffle {
 public:
  explicit Shuffle(std::uint64_t seed) : key_{.seed = seed, .purpose = base::Purpose::kSample} {}
  [[nodiscard]] const base::RandomKey& key() const noexcept { return key_; }

  /// Calls use(element) for the elements at `points` of permutation `stream` of [0, n), in their order.
  template <class Use>
  void each(std::uint64_t stream, Index n, Range points, Use&& use) {
    Kept kept{.stream = ~stream, .values = small_};
    each(stream, n, points, kept, std::forward<Use>(use));
  }

  /// A shuffle as far as it has come: elements before `done` are final, so chunks that are asked for in turn
  /// cost one shuffle in all. Of a larger n the whole permutation, made at its first chunk.
  struct Kept {
    std::uint64_t stream = ~std::uint64_t{0};
    Index done = 0;
    std::span<std::uint16_t> values{};  ///< n, the caller's
  };
  /// Whether permutations of n elements make use of a Kept: larger ones are not worth the memory.
  [[nodiscard]] static constexpr bool is_kept(Index n) noexcept { return n <= kMostKept; }
  /// The same, going on from `kept` where it is of this stream.
  template <class Use>
  void each(std::uint64_t stream, Index n, Range points, Kept& kept, Use&& use);

 private:
  static constexpr Index kSmall = 256, kMostKept = 4096,
                         kPiece = 16384;  // many points share the tables of evaluate()
  void permute(std::uint64_t stream, Index n, Kept& kept);
  void shuffle_small(std::uint64_t stream, Index n, Index until, Kept& kept) const;

  base::RandomKey key_;
  std::array<Index, kPiece> piece_{};
  std::array<std::uint16_t, kSmall> small_{};
};

template <class Use>
void Shuffle::each(std::uint64_t stream, Index n, Range points, Kept& kept, Use&& use) {
  if (points.size() == n) {  // all of them: any order will do
    for (Index i = 0; i < n; ++i) use(i);
  } else if (n <= kSmall) {
    shuffle_small(stream, n, points.end, kept);
    for (Index i = points.begin; i < points.end; ++i) use(Index{kept.values[static_cast<std::size_t>(i)]});
  } else if (static_cast<Index>(kept.values.size()) == n) {
    if (kept.stream != stream) permute(stream, n, kept);
    for (Index i = points.begin; i < points.end; ++i) use(Index{kept.values[static_cast<std::size_t>(i)]});
  } else {
    const base::KeyedPermutation permutation(key_, stream, n);
    for (Index at = points.begin; at < points.end; at += kPiece) {
      const Range piece{at, at + kPiece < points.end ? at + kPiece : points.end};
      const std::span<Index> out(piece_.data(), static_cast<std::size_t>(piece.size()));
      permutation.evaluate(piece, out);
      for (const Index element : out) use(element);
    }
  }
}

}  // namespace opx::sampling
