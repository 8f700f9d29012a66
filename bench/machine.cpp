// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include <algorithm>

#include "base/timer.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine.cpp"
// The order is Highway's.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace opx::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Twelve independent chains of fused multiply-adds; returns their operations. `out` keeps the loop alive.
double MultiplyAdds(Index rounds, float* out) {
  const hn::ScalableTag<float> d;
  const auto a = hn::Set(d, 0.999F), b = hn::Set(d, 1e-3F);
  auto s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a, s10 = a, s11 = a;
  for (Index i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, a, b), s1 = hn::MulAdd(s1, a, b), s2 = hn::MulAdd(s2, a, b),
    s3 = hn::MulAdd(s3, a, b);
    s4 = hn::MulAdd(s4, a, b), s5 = hn::MulAdd(s5, a, b), s6 = hn::MulAdd(s6, a, b),
    s7 = hn::MulAdd(s7, a, b);
    s8 = hn::MulAdd(s8, a, b), s9 = hn::MulAdd(s9, a, b), s10 = hn::MulAdd(s10, a, b),
    s11 = hn::MulAdd(s11, a, b);
  }
  const auto all =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  *out = hn::GetLane(hn::SumOfLanes(d, hn::Add(all, hn::Add(hn::Add(s8, s9), hn::Add(s10, s11)))));
  return 24.0 * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(d));
}

}  // namespace opx::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace opx::bench {
namespace {
constexpr Index kWords = Index{1} << 26;  // 256 MiB a stream
constexpr Index kGrain = Index{1} << 18;
}  // namespace

HWY_EXPORT(MultiplyAdds);

Machine::Machine(device::Context& context)
    : context_(context), x_(context, kWords), y_(context, kWords), z_(context, kWords) {
  context.parallel_ranges(kWords, kGrain, [&](Range r) {
    for (Index i = r.begin; i < r.end; ++i) x_[i] = 1, y_[i] = 0, z_[i] = 2;
  });
}

double Machine::triad() {
  const double start = base::now_seconds();
  context_.parallel_ranges(kWords, kGrain, [&](Range r) {
    for (Index i = r.begin; i < r.end; ++i) y_[i] = x_[i] + 3.0F * z_[i];
  });
  const double seconds = base::now_seconds() - start;
  sink_ = y_[kWords / 2];
  return 3.0 * static_cast<double>(x_.bytes()) / seconds;
}

double Machine::peak_flops() {
  const int threads = context_.threads();
  device::Buffer<float> out(context_, threads * 64);
  device::Buffer<double> flops(context_, threads * 64);
  const double start = base::now_seconds();
  context_.parallel_for(threads, [&](Index t) {
    flops[t * 64] = HWY_DYNAMIC_DISPATCH(MultiplyAdds)(Index{1} << 22, &out[t * 64]);
  });
  const double seconds = base::now_seconds() - start;
  double total = 0;
  for (Index t = 0; t < threads; ++t) {
    total += flops[t * 64];
    sink_ = out[t * 64];
  }
  return total / seconds;
}

}  // namespace opx::bench
#endif  // HWY_ONCE
