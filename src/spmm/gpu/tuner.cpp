// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/gpu/tuner.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>

#include "base/error.hpp"
#include "device/gpu/device.hpp"

namespace opx::spmm::gpu {
namespace {

constexpr Index kShort = 64;     // rows that no one has to wait for
constexpr Index kUneven = 8;     // how many times the mean the longest row may be
constexpr Index kGroups = 4096;  // that a large GPU runs at the same time

bool is_cusparse(Variant v) noexcept { return cusparse_algorithm(v) > 0; }

}  // namespace

Variant variant_by_rule(const CsrView& a) noexcept {
  if (a.longest_row < 0) return Variant::kChunks;
  const Index mean = ceil_div(a.nnz(), std::max<Index>(a.rows, 1));
  const Index most = std::max({kShort, kUneven * mean, a.nnz() / kGroups});
  return a.longest_row <= most ? Variant::kRows : Variant::kChunks;
}

Tuner::Tuner(std::string_view word) {
  constexpr std::array<std::string_view, 7> kWords{"rule",      "rows",      "chunks", "cusparse1",
                                                   "cusparse2", "cusparse3", "tune"};
  const auto* found = std::find(kWords.begin(), kWords.end(), word.empty() ? kWords[0] : word);
  OPX_REQUIRE(found != kWords.end(), InvalidArgument, "OPX_SPMM_GPU is '{}'; it takes {}", word,
              fmt::join(kWords, ", "));
  mode_ = static_cast<Mode>(found - kWords.begin());
}

Tuner& Tuner::of(device::gpu::Device& device) {
  const auto kept = device.library("spmm.tuner", [](device::gpu::Device&) -> std::shared_ptr<void> {
    const char* word = std::getenv("OPX_SPMM_GPU");
    return std::make_shared<Tuner>(word != nullptr ? word : "");
  });
  return *static_cast<Tuner*>(kept.get());
}

Variant Tuner::choose(const Problem& problem, base::FunctionRef<double(Variant)> seconds) {
  const CsrView& a = problem.a;
  if (mode_ != Mode::kRule && mode_ != Mode::kTune) {
    const auto forced = static_cast<Variant>(static_cast<int>(mode_) - 1);
    if (!is_cusparse(forced) || problem.cusparse) return forced;
  }
  if (mode_ != Mode::kTune || a.identity == 0) return variant_by_rule(a);
  const Key key{a.identity, problem.cols, problem.bf16};
  const auto seen = known_.find(key);
  if (seen != known_.end()) return seen->second;
  if (!problem.timed) return variant_by_rule(a);
  Variant best = Variant::kRows;
  double least = seconds(best);
  for (const Variant next :
       {Variant::kChunks, Variant::kCusparse1, Variant::kCusparse2, Variant::kCusparse3}) {
    if (is_cusparse(next) && !problem.cusparse) continue;
    if (const double took = seconds(next); took < least) best = next, least = took;
  }
  return known_[key] = best;
}

}  // namespace opx::spmm::gpu
