// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/cache_probe.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/timer.hpp"
#include "device/buffer.hpp"

namespace opx::spmm {
namespace {

constexpr Index kPageBytes = 4096, kLineBytes = 64;
constexpr Index kPageLines = kPageBytes / kLineBytes;
constexpr int kRounds = 3;
constexpr Index kFewestLoads = 1 << 16;
constexpr std::size_t kPlateauPoints = 3;
constexpr double kLeastRise = 1.5;

// A chain of line numbers through the pages of one thread, one word at the head of each line.
class Chain {
 public:
  Chain(std::uint32_t* words, Index pages, std::uint64_t thread) : words_(words), pages_(pages) {
    const base::RandomKey key{thread, base::Purpose::kBench};
    const base::KeyedPermutation page_order(key, 3, pages), line_order(key, 4, kPageLines);
    Index before = line_at(page_order(pages - 1), line_order(kPageLines - 1), pages - 1);
    for (Index p = 0; p < pages; ++p)
      for (Index k = 0; k < kPageLines; ++k) {
        const Index line = line_at(page_order(p), line_order(k), p);
        head_of(before) = static_cast<std::uint32_t>(line);
        before = line;
      }
    at_ = static_cast<std::uint32_t>(before);
  }

  void walk(Index loads) {
    for (Index i = 0; i < loads; ++i) at_ = head_of(at_);
  }
  [[nodiscard]] Index lines() const { return pages_ * kPageLines; }
  /// Reading it keeps the loads alive.
  [[nodiscard]] bool inside() const { return static_cast<Index>(at_) < lines(); }

 private:
  // The order within a page differs from page to page: prefetchers shall not learn it.
  static Index line_at(Index page, Index line, Index turn) {
    return page * kPageLines + (line ^ (turn * 29 % kPageLines));
  }
  std::uint32_t& head_of(Index line) const {
    return words_[line * kLineBytes / static_cast<Index>(sizeof(std::uint32_t))];
  }
  std::uint32_t* words_;
  Index pages_;
  std::uint32_t at_ = 0;
};

CachePoint chase(device::Context& context, std::uint32_t* words, std::size_t bytes) {
  const Index threads = context.threads();
  const Index pages = std::max<Index>(static_cast<Index>(bytes) / kPageBytes / threads, 1);
  std::vector<double> slowest(static_cast<std::size_t>(kRounds * threads), 0);
  context.parallel_for(threads, [&](Index t) {
    Chain chain(words + t * pages * kPageBytes / static_cast<Index>(sizeof(std::uint32_t)), pages,
                static_cast<std::uint64_t>(t));
    const Index loads = std::max(chain.lines(), kFewestLoads);
    chain.walk(loads);
    for (int round = 0; round < kRounds; ++round) {
      const double start = base::now_seconds();
      chain.walk(loads);
      slowest[static_cast<std::size_t>(round * threads + t)] =
          (base::now_seconds() - start) / static_cast<double>(loads);
    }
    OPX_REQUIRE(chain.inside(), InternalError, "the chase over {} pages left its memory", pages);
  });
  double best = std::numeric_limits<double>::max();
  for (auto round = slowest.begin(); round != slowest.end(); round += threads)
    best = std::min(best, *std::max_element(round, round + threads));
  return {static_cast<std::size_t>(pages * threads * kPageBytes), best};
}

double median_of(std::span<const CachePoint> points) {
  std::vector<double> seconds;
  for (const CachePoint& p : points) seconds.push_back(p.seconds);
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

}  // namespace

std::size_t knee_of(std::span<const CachePoint> curve, std::size_t nominal) {
  if (curve.size() < 2 * kPlateauPoints) return nominal;
  const double low = median_of(curve.first(kPlateauPoints)), high = median_of(curve.last(kPlateauPoints));
  if (high < kLeastRise * low) return nominal;
  const double middle = (low + high) / 2;
  std::size_t below = curve.size();
  while (below > 0 && curve[below - 1].seconds >= middle) --below;
  if (below == 0 || below == curve.size()) return nominal;
  const CachePoint &a = curve[below - 1], &b = curve[below];
  const double share = (middle - a.seconds) / (b.seconds - a.seconds);
  const double bytes = static_cast<double>(a.bytes) *
                       std::pow(static_cast<double>(b.bytes) / static_cast<double>(a.bytes), share);
  return std::min(nominal, static_cast<std::size_t>(bytes));
}

std::vector<CachePoint> cache_curve(device::Context& context, std::size_t nominal) {
  OPX_REQUIRE(nominal >= std::size_t{1} << 16 && nominal <= std::size_t{1} << 34, InvalidArgument,
              "a last-level cache of {} bytes", nominal);
  const Index largest = std::max(static_cast<Index>(4 * nominal), context.threads() * kPageBytes);
  device::Buffer<std::uint32_t> words(context, largest / static_cast<Index>(sizeof(std::uint32_t)));
  context.parallel_ranges(words.size(), Index{1} << 18,
                          [&](Range r) { std::fill(words.begin() + r.begin, words.begin() + r.end, 0U); });
  std::vector<CachePoint> curve;
  for (std::size_t octave = nominal / 16; octave <= 4 * nominal; octave *= 2) {
    curve.push_back(chase(context, words.data(), octave));
    if (octave < 4 * nominal) curve.push_back(chase(context, words.data(), octave / 10 * 14));
  }
  return curve;
}

std::size_t measured_cache_bytes(device::Context& context, std::size_t nominal) {
  return knee_of(cache_curve(context, nominal), nominal);
}

}  // namespace opx::spmm
