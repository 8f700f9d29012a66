// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// KeyedPermutation at many points. A Philox round is a multiplication and a few exclusive ors: the compiler
// turns the loop over lanes into vectors, once for each instruction set, and the widest that the processor
// has is taken.
//
// A round sees only 2^half_bits different halves, about the square root of n. So where there are more points
// than that, the rounds are tabulated first and a point costs six look-ups: 2^22 elements have 2048 halves.
#include <array>
#include <cstdint>

#include "base/error.hpp"
#include "base/random.hpp"

namespace opx::base {
namespace {

constexpr int kLanes = 64, kStep = 16;  // lanes in flight; those that one vector loop takes
constexpr std::uint32_t kFeistelRounds = 6;
constexpr Index kScalar = 8;                                  // fewer points are not worth a vector
constexpr unsigned kLeastTableBits = 4, kMostTableBits = 11;  // 48 KiB of tables

// What is the same for all lanes, and their values as halves.
struct Feistel {
  std::array<std::uint32_t, 2> key;
  std::array<std::uint32_t, 4> counter;  // of half 0 in round 0
  unsigned half_bits;
  std::uint32_t half_mask;
  std::array<std::uint32_t, kLanes> left, right;
};

// The first word of Philox 4x32-10 of a counter whose second word is `half`.
[[gnu::always_inline]] inline std::uint32_t philox_word(const Feistel& f, std::uint32_t half,
                                                        std::uint32_t round) {
  std::uint32_t x0 = f.counter[0], x1 = half, x2 = f.counter[2] | round << 24, x3 = f.counter[3];
  std::uint32_t a = f.key[0], b = f.key[1];
  for (int r = 0; r < 10; ++r) {
    const std::uint64_t p = std::uint64_t{0xD2511F53U} * x0, q = std::uint64_t{0xCD9E8D57U} * x2;
    x0 = static_cast<std::uint32_t>(q >> 32) ^ x1 ^ a;
    x2 = static_cast<std::uint32_t>(p >> 32) ^ x3 ^ b;
    x1 = static_cast<std::uint32_t>(q);
    x3 = static_cast<std::uint32_t>(p);
    a += 0x9E3779B9U, b += 0xBB67AE85U;
  }
  return x0;
}

[[gnu::always_inline]] inline void network(Feistel& f, int lanes) {
  for (int at = 0; at < lanes; at += kStep) {
    std::uint32_t* left = f.left.data() + at;
    std::uint32_t* right = f.right.data() + at;
    for (std::uint32_t r = 0; r < kFeistelRounds; ++r) {
      for (int i = 0; i < kStep; ++i) {
        const std::uint32_t next = left[i] ^ (philox_word(f, right[i], r) & f.half_mask);
        left[i] = right[i], right[i] = next;
      }
    }
  }
}

using Table = std::array<std::uint32_t, std::size_t{kFeistelRounds} << kMostTableBits>;

// The rounds of every half, one round after the other.
[[gnu::always_inline]] inline void tabulate(const Feistel& f, Table& table) {
  std::uint32_t* at = table.data();
  const std::uint32_t halves = f.half_mask + 1;  // a multiple of kStep
  for (std::uint32_t r = 0; r < kFeistelRounds; ++r) {
    for (std::uint32_t half = 0; half < halves; half += kStep, at += kStep) {
      for (std::uint32_t i = 0; i < kStep; ++i) at[i] = philox_word(f, half + i, r) & f.half_mask;
    }
  }
}

using Network = void (*)(Feistel&, int);
using Tabulate = void (*)(const Feistel&, Table&);
struct Kernels {
  Network network;
  Tabulate tabulate;
};
void network_any(Feistel& f, int lanes) { network(f, lanes); }
void tabulate_any(const Feistel& f, Table& table) { tabulate(f, table); }

#if defined(__x86_64__) && defined(__GNUC__)
[[gnu::target("avx2")]] void network_avx2(Feistel& f, int lanes) { network(f, lanes); }
[[gnu::target("avx512f")]] void network_avx512(Feistel& f, int lanes) { network(f, lanes); }
[[gnu::target("avx2")]] void tabulate_avx2(const Feistel& f, Table& table) { tabulate(f, table); }
[[gnu::target("avx512f")]] void tabulate_avx512(const Feistel& f, Table& table) { tabulate(f, table); }
Kernels pick() {
  if (__builtin_cpu_supports("avx512f")) return {network_avx512, tabulate_avx512};
  if (__builtin_cpu_supports("avx2")) return {network_avx2, tabulate_avx2};
  return {network_any, tabulate_any};
}
#else
Kernels pick() { return {network_any, tabulate_any}; }
#endif

void evaluate_by_table(const Feistel& f, Index n, Range points, std::span<Index> out) {
  Table table;  // written before it is read, as far as it is used
  pick().tabulate(f, table);
  const unsigned bits = f.half_bits;
  for (Index i = points.begin; i < points.end; ++i) {
    auto v = static_cast<std::uint32_t>(i);
    do {
      std::uint32_t left = v >> bits, right = v & f.half_mask;
      for (std::uint32_t r = 0; r < kFeistelRounds; ++r) {
        const std::uint32_t next = left ^ table[std::size_t{r} << bits | right];
        left = right, right = next;
      }
      v = left << bits | right;
    } while (static_cast<Index>(v) >= n);
    out[static_cast<std::size_t>(i - points.begin)] = static_cast<Index>(v);
  }
}

}  // namespace

void KeyedPermutation::evaluate(Range points, std::span<Index> out) const {
  OPX_REQUIRE(static_cast<Index>(out.size()) == points.size(), DimensionMismatch,
              "{} points of a permutation into {} elements", points.size(), out.size());
  if (half_bits_ > 32 || points.size() < kScalar) {
    for (Index i = points.begin; i < points.end; ++i)
      out[static_cast<std::size_t>(i - points.begin)] = (*this)(i);
    return;
  }
  const auto words = counter_words(
      {.step = static_cast<std::uint32_t>(stream_ >> 32), .word = static_cast<std::uint32_t>(stream_)});
  Feistel f{.key = key_words(key_),
            .counter = words,
            .half_bits = half_bits_,
            .half_mask = static_cast<std::uint32_t>(half_mask_),
            .left = {},
            .right = {}};
  // Vectors take 2^(2 half_bits) / n times the points, walks included; the table 2^half_bits.
  if (half_bits_ >= kLeastTableBits && half_bits_ <= kMostTableBits && points.size() << half_bits_ >= n_)
    return evaluate_by_table(f, n_, points, out);
  const Network run = pick().network;
  std::array<Index, kLanes> slot{};
  int lanes = 0;
  for (Index next = points.begin; next < points.end || lanes > 0;) {
    for (; lanes < kLanes && next < points.end; ++lanes, ++next) {
      const auto i = static_cast<std::size_t>(lanes);
      f.left[i] = static_cast<std::uint32_t>(static_cast<std::uint64_t>(next) >> half_bits_);
      f.right[i] = static_cast<std::uint32_t>(static_cast<std::uint64_t>(next) & half_mask_);
      slot[i] = next - points.begin;
    }
    run(f, lanes);
    int kept = 0;  // lanes outside [0, n) walk on
    for (std::size_t i = 0; i < static_cast<std::size_t>(lanes); ++i) {
      const auto v = static_cast<Index>(std::uint64_t{f.left[i]} << half_bits_ | f.right[i]);
      const auto k = static_cast<std::size_t>(kept);
      if (v < n_) {
        out[static_cast<std::size_t>(slot[i])] = v;
      } else {
        f.left[k] = f.left[i], f.right[k] = f.right[i], slot[k] = slot[i];
        ++kept;
      }
    }
    lanes = kept;
  }
}

}  // namespace opx::base
