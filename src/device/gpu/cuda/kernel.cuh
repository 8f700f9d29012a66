// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What api.hpp promises, with CUDA.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <cuda_runtime.h>

#include "device/gpu/cuda/launch.hpp"
#include "device/gpu/device.hpp"

#define OPX_DEVICE __device__

namespace opx::device::gpu {

namespace cuda {

constexpr unsigned kAllLanes = 0xFFFFFFFFU;

// The functor stays in constant memory: without __grid_constant__ each thread would copy it to its stack. One
// block a multiprocessor is asked for at least: without that ptxas aims at full occupancy and rather spills.
template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, 1) run(const __grid_constant__ Kernel kernel) {
  kernel();
}

template <class T>
using Word = std::conditional_t<sizeof(T) == 8, unsigned long long, unsigned>;
template <class T>
__device__ __forceinline__ Word<T> to_word(T v) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  return std::bit_cast<Word<T>>(v);
}

template <std::size_t kBytes>
struct Access;
template <>
struct Access<2> {
  using Type = unsigned short;
};
template <>
struct Access<4> {
  using Type = unsigned;
};
template <>
struct Access<8> {
  using Type = uint2;
};
template <>
struct Access<16> {
  using Type = uint4;
};

}  // namespace cuda

__device__ __forceinline__ int thread() { return static_cast<int>(threadIdx.x); }
__device__ __forceinline__ int block_threads() { return static_cast<int>(blockDim.x); }
__device__ __forceinline__ Index block() { return static_cast<Index>(blockIdx.x); }
__device__ __forceinline__ Index blocks() { return static_cast<Index>(gridDim.x); }
__device__ __forceinline__ Index global_thread() { return block() * block_threads() + thread(); }
__device__ __forceinline__ Index all_threads() { return blocks() * block_threads(); }
__device__ __forceinline__ int lane() { return thread() % 32; }
__device__ __forceinline__ int warp() { return thread() / 32; }

__device__ __forceinline__ void sync_threads() { __syncthreads(); }
__device__ __forceinline__ void sync_warp() { __syncwarp(); }
template <class T>
__device__ __forceinline__ T shuffle(T v, int source_lane) {
  return std::bit_cast<T>(__shfl_sync(cuda::kAllLanes, cuda::to_word(v), source_lane));
}
template <class T>
__device__ __forceinline__ T shuffle_xor(T v, int mask) {
  return std::bit_cast<T>(__shfl_xor_sync(cuda::kAllLanes, cuda::to_word(v), mask));
}
template <class T>
__device__ __forceinline__ T shuffle_down(T v, int by) {
  return std::bit_cast<T>(__shfl_down_sync(cuda::kAllLanes, cuda::to_word(v), static_cast<unsigned>(by)));
}
__device__ __forceinline__ unsigned ballot(bool yes) { return __ballot_sync(cuda::kAllLanes, yes); }

template <class S>
__device__ __forceinline__ S& shared() {
  static_assert(std::is_trivially_copyable_v<S> && std::is_trivially_default_constructible_v<S>);
  __shared__ S memory;
  return memory;
}
__device__ __forceinline__ std::byte* dynamic_shared() {
  extern __shared__ uint4 opx_dynamic_shared[];
  return reinterpret_cast<std::byte*>(opx_dynamic_shared);
}

template <class T>
__device__ __forceinline__ T atomic_add(T* p, T v) {
  static_assert(std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::uint32_t> ||
                std::is_same_v<T, std::uint64_t>);
  if constexpr (sizeof(T) == 8)
    return static_cast<T>(
        atomicAdd(reinterpret_cast<unsigned long long*>(p), static_cast<unsigned long long>(v)));
  else
    return atomicAdd(p, v);
}
template <class T>
__device__ __forceinline__ T atomic_max(T* p, T v) {
  static_assert(std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::uint32_t> ||
                std::is_same_v<T, std::uint64_t>);
  if constexpr (sizeof(T) == 8)
    return static_cast<T>(
        atomicMax(reinterpret_cast<unsigned long long*>(p), static_cast<unsigned long long>(v)));
  else
    return atomicMax(p, v);
}

template <class T>
__device__ __forceinline__ T load_once(const T* p) {
  using Type = typename cuda::Access<sizeof(T)>::Type;
  return std::bit_cast<T>(__ldcs(reinterpret_cast<const Type*>(p)));
}
template <class T>
__device__ __forceinline__ void store_once(T* p, T v) {
  using Type = typename cuda::Access<sizeof(T)>::Type;
  __stcs(reinterpret_cast<Type*>(p), std::bit_cast<Type>(v));
}

struct alignas(16) Vec4 {
  float x, y, z, w;
};

template <class Kernel>
void launch(Device& device, Stream stream, const LaunchShape& shape, const Kernel& kernel) {
  static_assert(std::is_trivially_copyable_v<Kernel>);
  static_assert(sizeof(Kernel) <= 4096, "arguments of a kernel are at most 4 KiB");
  if (shape.blocks == 0) return;
  cuda::before_launch(device, {.kernel = Kernel::kName,
                               .function = reinterpret_cast<const void*>(&cuda::run<Kernel>),
                               .most_threads = Kernel::kThreads,
                               .blocks = shape.blocks,
                               .threads = shape.threads,
                               .dynamic_shared = shape.dynamic_shared});
  cuda::run<Kernel><<<static_cast<unsigned>(shape.blocks), static_cast<unsigned>(shape.threads),
                      shape.dynamic_shared, static_cast<cudaStream_t>(stream.native)>>>(kernel);
  cuda::after_launch(device, stream, Kernel::kName);
}

}  // namespace opx::device::gpu
