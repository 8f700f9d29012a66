// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The one door to a GPU runtime for kernel files (*.cu), with CUDA or `host` behind it; HIP can follow. A
// kernel is a trivially copyable functor:
//
//   struct AddScaled {
//     static constexpr const char* kName = "add_scaled";
//     static constexpr int kThreads = 256;        // most threads of a block (launch bounds)
//     float alpha; const float* x; float* y; Index n;
//     OPX_DEVICE void operator()() const {
//       for (Index i = global_thread(); i < n; i += all_threads()) y[i] += alpha * x[i];
//     }
//   };
//   launch(device, device.compute(), {.blocks = blocks_for(n, 256), .threads = 256}, AddScaled{...});
//
// What a kernel may use (namespace opx::device::gpu, the same meaning behind every runtime):
//
//   int thread()  block_threads()            in the block; one dimension; block_threads() is a multiple of 32
//   Index block()  blocks()                  of the grid; one dimension
//   Index global_thread()  all_threads()
//   int lane()  warp()                       thread() % 32, thread() / 32
//   void sync_threads()                      all threads of the block, all of them
//   void sync_warp()                         all 32 lanes
//   T shuffle(T v, int source_lane)          all 32 lanes take part; T of 4 or 8 bytes
//   T shuffle_xor(T v, int mask)  T shuffle_down(T v, int by)     (down past the end: the own value)
//   unsigned ballot(bool)
//   S& shared<S>()                           one S for the block and the type S (trivial); garbage at start
//   std::byte* dynamic_shared()              LaunchShape::dynamic_shared bytes, 16-byte aligned
//   T atomic_add(T* p, T v)  atomic_max(T* p, T v)     std::int32_t, std::uint32_t, std::uint64_t; returns
//   the
//                                            old value. No floats: sums must be deterministic.
//   T load_once(const T* p)  void store_once(T* p, T v)     streaming cache hints; T of 4, 8, 16 bytes
//   struct alignas(16) Vec4 { float x, y, z, w; }       16-byte accesses of aligned rows
//   std:: math (sqrt, exp, log, fma, abs, min, max, isfinite) in fp32 and fp64
//
// Anything constexpr of base/ may be called in kernels (nvcc runs with --expt-relaxed-constexpr). No
// recursion, no virtual calls, no exceptions, no std:: containers but std::array.
#pragma once

#include <cstddef>

#include "base/types.hpp"
#include "device/gpu/device.hpp"

namespace opx::device::gpu {

constexpr int kWarp = 32;

struct LaunchShape {
  Index blocks = 0;  ///< 0: nothing is launched
  int threads = 0;   ///< a multiple of 32, at most the kernel's kThreads
  std::size_t dynamic_shared = 0;
};

/// Blocks for n elements, one a thread.
[[nodiscard]] constexpr Index blocks_for(Index n, int threads) noexcept { return ceil_div(n, threads); }

}  // namespace opx::device::gpu

#if defined(OPX_GPU_CUDA)
#include "device/gpu/cuda/kernel.cuh"
#elif defined(OPX_GPU_HOST)
#include "device/gpu/host/kernel.hpp"
#else
#error "kernel files are compiled only where a GPU runtime is chosen"
#endif
