// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/measure.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "base/function_ref.hpp"
#include "base/random.hpp"
#include "base/timer.hpp"
#include "spmm/cache_probe.hpp"
#include "spmm/kernels.hpp"

namespace opx::spmm {
namespace {

constexpr Index kStreamGrain = Index{1} << 17;
constexpr Index kSumWays = 16;
constexpr double kErrorBound = 1e-5;

// Streams to measure the memory with, larger than any cache (unless the caller asks for less).
class BandwidthProbe {
 public:
  BandwidthProbe(device::Context& context, Index words)
      : context_(context), words_(words), a_(context, words), b_(context, words), c_(context, words) {
    context.parallel_ranges(words, kStreamGrain, [this](Range r) {
      for (Index i = r.begin; i < r.end; ++i) a_[i] = 0, b_[i] = 1, c_[i] = 2;
    });
  }

  // Bytes per second of reading one stream.
  double read() {
    return timed(b_.bytes(), [this](Range r) { return sum(b_.data() + r.begin, r.size()); });
  }

  double triad() {
    return timed(3 * b_.bytes(), [this](Range r) {
      for (Index i = r.begin; i < r.end; ++i) a_[i] = b_[i] + 3.0 * c_[i];
      return a_[r.begin];
    });
  }

  // Finite unless memory is broken; asking for it keeps the loops above alive.
  [[nodiscard]] bool finite() const { return std::isfinite(sink_); }

 private:
  double timed(std::size_t bytes, base::FunctionRef<double(Range)> body) {
    std::atomic<double> total{0};
    const double start = base::now_seconds();
    context_.parallel_ranges(words_, kStreamGrain,
                             [&](Range r) { total.fetch_add(body(r), std::memory_order_relaxed); });
    const double seconds = base::now_seconds() - start;
    sink_ += total.load();
    return static_cast<double>(bytes) / seconds;
  }

  static double sum(const double* p, Index n) {
    double part[kSumWays] = {};
    for (Index i = 0; i + kSumWays <= n; i += kSumWays)
      for (Index k = 0; k < kSumWays; ++k) part[k] += p[i + k];
    double total = 0;
    for (const double s : part) total += s;
    return total;
  }

  device::Context& context_;
  Index words_;
  device::Buffer<double> a_, b_, c_;
  double sink_ = 0;
};

template <class T>
void draw_features(device::Context& context, tensor::MatrixView<T> x) {
  context.parallel_ranges(x.rows, 4096, [&](Range rows) {
    for (Index i = rows.begin; i < rows.end; ++i)
      for (Index j = 0; j < x.cols; ++j) {
        const auto hash = static_cast<std::uint32_t>(i * 31 + j * 17) * 2654435761U;
        x(i, j) = T(base::uniform_float(hash) - 0.5F);
      }
  });
}

// Some rows of A as a matrix of their own, and the same rows of Y.
double compare_rows(device::Context& context, const CsrView& a, const auto& x,
                    tensor::MatrixView<const float> y, const MeasureOptions& options) {
  double worst = 0;
  tensor::Matrix<float> expected(context, 1, y.cols);
  const Index rows = std::min(options.checked_rows, a.rows);
  for (Index k = 0; k < rows; ++k) {
    const Index i = even_range(a.rows, rows, k).begin;
    const auto row = static_cast<std::size_t>(i);
    const Range entries{a.row_offsets[row], a.row_offsets[row + 1]};
    const Index offsets[2] = {0, entries.size()};
    const auto cut = [&](auto all) {
      return all.empty() ? all
                         : all.subspan(static_cast<std::size_t>(entries.begin),
                                       static_cast<std::size_t>(entries.size()));
    };
    const CsrView one{1, a.cols, offsets, cut(a.col_ids), cut(a.values)};
    MultiplyOptions factors = options.factors;
    if (!factors.row_scale.empty()) factors.row_scale = factors.row_scale.subspan(row, 1);
    ref::multiply(context, one, x, expected.view(), factors);
    for (Index j = 0; j < y.cols; ++j)
      worst = std::max(worst, std::abs(static_cast<double>(y(i, j)) - expected(0, j)) /
                                  (1.0 + static_cast<double>(entries.size())));
  }
  return worst;
}

template <class T>
Index stride(const MeasureOptions& options) {
  return options.tight ? options.cols : tensor::line_stride<T>(options.cols);
}

template <class T>
Measurement measure_as(device::Context& context, const CsrView& a, const MeasureOptions& options) {
  device::Buffer<T> x_memory(context, a.cols * stride<T>(options));
  device::Buffer<float> y_memory(context, a.rows * stride<float>(options));
  const tensor::MatrixView<T> x(x_memory.data(), a.cols, options.cols, stride<T>(options));
  const tensor::MatrixView<float> y(y_memory.data(), a.rows, options.cols, stride<float>(options));
  draw_features<T>(context, x);
  const tensor::MatrixView<const T> in = x;
  Measurement m;
  for (int k = 0; k < std::max(options.warmups, 1); ++k) multiply(context, a, in, y, options.factors);
  m.largest_error = compare_rows(context, a, in, y, options);
  OPX_REQUIRE(m.largest_error < kErrorBound, InternalError,
              "multiply differs from the reference by {} (bound {})", m.largest_error, kErrorBound);
  BandwidthProbe probe(context, options.stream_words);
  std::vector<double> seconds, read, triad;
  for (int k = 0; k < std::max(options.repeats, 1); ++k) {
    read.push_back(probe.read());
    triad.push_back(probe.triad());
    const double start = base::now_seconds();
    multiply(context, a, in, y, options.factors);
    seconds.push_back(base::now_seconds() - start);
  }
  OPX_REQUIRE(probe.finite(), InternalError, "the bandwidth probe summed to a value that is not finite");
  m.seconds = spread_of(seconds);
  m.read_bandwidth = spread_of(read).median;
  m.triad_bandwidth = spread_of(triad).median;
  return m;
}

Bound bound_of(const Measurement& m, const CsrView& a, const MeasureOptions& options, std::size_t cache) {
  const double row_bytes =
      static_cast<double>(options.cols) * (options.bf16 ? sizeof(bfloat16) : sizeof(float));
  const auto nnz = static_cast<double>(a.nnz()), rows = static_cast<double>(a.rows);
  const auto capacity = static_cast<Index>(static_cast<double>(cache) / row_bytes);
  const auto missed = static_cast<double>(lru_misses(a, std::max<Index>(capacity, 1)));
  Bound bound;
  bound.cache_bytes = cache;
  bound.missed_share = nnz > 0 ? missed / nnz : 0;
  bound.bytes = missed * row_bytes + nnz * (a.values.empty() ? 4 : 8) + 8 * rows +
                rows * static_cast<double>(options.cols) * sizeof(float);
  bound.seconds = bound.bytes / m.read_bandwidth;
  bound.ratio = bound.seconds / m.seconds.median;
  return bound;
}

void add_bounds(Measurement& m, const CsrView& a, const MeasureOptions& options, std::size_t measured,
                std::size_t nominal) {
  const auto nnz = static_cast<double>(a.nnz()), cols = static_cast<double>(options.cols);
  m.flops = 2 * nnz * cols;
  m.fetched_bytes = nnz * cols * (options.bf16 ? sizeof(bfloat16) : sizeof(float));
  m.bound = bound_of(m, a, options, measured);
  m.nominal = nominal == measured ? m.bound : bound_of(m, a, options, nominal);
}

}  // namespace

Spread spread_of(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double share) {
    return samples[static_cast<std::size_t>(std::lround(share * static_cast<double>(samples.size() - 1)))];
  };
  return {at(0.5), at(0.1), at(0.9)};
}

Measurement measure(device::Context& context, const CsrView& a, const MeasureOptions& options) {
  OPX_REQUIRE(options.cols >= 1 && a.rows >= 1, InvalidArgument, "nothing to measure: {} rows, {} columns",
              a.rows, options.cols);
  const std::size_t nominal =
      options.nominal_cache_bytes > 0 ? options.nominal_cache_bytes : last_level_cache_bytes();
  const std::size_t cache =
      options.cache_bytes > 0 ? options.cache_bytes : measured_cache_bytes(context, nominal);
  Measurement m =
      options.bf16 ? measure_as<bfloat16>(context, a, options) : measure_as<float>(context, a, options);
  m.target = dispatch_target();
  add_bounds(m, a, options, cache, nominal);
  return m;
}

Index lru_misses(const CsrView& a, Index capacity) {
  OPX_REQUIRE(capacity >= 1, InvalidArgument, "a cache of {} rows", capacity);
  // A doubly linked list through two arrays, newest first; slot a.cols is the head and the tail of the ring.
  const auto head = static_cast<std::size_t>(a.cols);
  std::vector<std::size_t> older(head + 1, head), newer(head + 1, head);
  std::vector<bool> cached(head, false);
  Index held = 0, misses = 0;
  const auto unlink = [&](std::size_t i) {
    newer[older[i]] = newer[i];
    older[newer[i]] = older[i];
  };
  for (const LocalIndex col : a.col_ids) {
    const auto i = static_cast<std::size_t>(col);
    if (cached[i]) {
      unlink(i);
    } else {
      ++misses;
      cached[i] = true;
      if (++held > capacity) {
        const std::size_t oldest = newer[head];
        unlink(oldest);
        cached[oldest] = false;
        --held;
      }
    }
    older[i] = older[head];
    newer[i] = head;
    newer[older[head]] = i;
    older[head] = i;
  }
  return misses;
}

std::size_t last_level_cache_bytes() {
  constexpr std::size_t kUsual = std::size_t{32} << 20;
  std::set<std::string> sharers;
  std::size_t bytes = 0;
  for (int cpu = 0; cpu < device::hardware_threads(); ++cpu) {
    // index3 is the third level (0 and 1 are the two halves of the first).
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu{}/cache/index3/", cpu);
    std::ifstream size_file(folder + "size"), sharers_file(folder + "shared_cpu_list");
    std::size_t kib = 0;
    std::string list;
    if (size_file >> kib && sharers_file >> list && sharers.insert(list).second) bytes += kib << 10;
  }
  return bytes > 0 ? bytes : kUsual;
}

}  // namespace opx::spmm
