// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Which of variants.hpp multiplies. The environment's OPX_SPMM_GPU, read when a Device multiplies for the
// first time, says how it is chosen:
//
//   unset or "rule"   by what is known of the matrix: the same choice in every run and on every machine
//   "rows" "chunks"   always this one
//   "cusparse1" to "cusparse3"   that algorithm of cuSPARSE where it can (variants.hpp), else by the rule
//   "tune"            all are timed once per matrix, width and type, the fastest is remembered; results then
//                     are bit-identical only between runs that happened to choose alike. A matrix without
//                     identity (a tile of a sub-batch), and what is first seen in a capture, go by the rule
//
// Every rank chooses for itself: a tile of one rank may go another way than its neighbour's.
#pragma once

#include <map>
#include <string_view>
#include <tuple>

#include "base/function_ref.hpp"
#include "spmm/multiply.hpp"

namespace opx::spmm::gpu {

enum class Variant : std::uint8_t { kRows, kChunks, kCusparse1, kCusparse2, kCusparse3 };

/// 1, 2, 3; 0 for our own.
[[nodiscard]] constexpr int cusparse_algorithm(Variant v) noexcept {
  return v < Variant::kCusparse1 ? 0 : static_cast<int>(v) - static_cast<int>(Variant::kCusparse1) + 1;
}

/// kRows where the longest row is known and no group of lanes would run long after the others; else kChunks.
[[nodiscard]] Variant variant_by_rule(const CsrView& a) noexcept;

class Tuner {
 public:
  /// "" means "rule". Throws InvalidArgument for a word that is none of the above.
  explicit Tuner(std::string_view word);
  /// That of the environment, kept with the Device.
  static Tuner& of(device::gpu::Device& device);

  struct Problem {
    const CsrView& a;
    Index cols;
    bool bf16;
    bool cusparse;      ///< whether cuSPARSE can do it
    bool timed = true;  ///< whether it can be timed now
  };
  /// `seconds` times one variant (called by "tune" alone, for a problem that was not seen before).
  [[nodiscard]] Variant choose(const Problem& problem, base::FunctionRef<double(Variant)> seconds);

 private:
  enum class Mode : std::uint8_t { kRule, kRows, kChunks, kCusparse1, kCusparse2, kCusparse3, kTune };
  using Key = std::tuple<std::uint64_t, Index, bool>;
  Mode mode_;
  std::map<Key, Variant> known_;
};

}  // namespace opx::spmm::gpu
