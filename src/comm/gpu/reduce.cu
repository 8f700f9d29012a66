// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "comm/detail/reduce_ops.hpp"
#include "comm/gpu/reduce.hpp"
#include "device/gpu/api.hpp"

namespace opx::comm::gpu {
namespace {

namespace gpu = device::gpu;
constexpr Index kMostBlocks = 2048;

/// What one access moves.
template <class T, int n>
struct alignas(sizeof(T) * n) Pack {
  T v[n];
};

/// A thread takes `n` neighbouring elements at a time; the parts of `count` packs follow one another.
template <class T, class Op, int n>
struct ReduceParts {
  static constexpr const char* kName = "reduce_parts";
  static constexpr int kThreads = 256;
  const Pack<T, n>*others, *own;
  Pack<T, n>* out;
  Index count;
  int ranks, rank;

  OPX_DEVICE Pack<T, n> part(int r, Index i) const {
    return r == rank ? own[i] : others[static_cast<Index>(r < rank ? r : r - 1) * count + i];
  }
  OPX_DEVICE void operator()() const {
    using A = detail::Accumulator<T>;
    for (Index i = gpu::global_thread(); i < count; i += gpu::all_threads()) {
      Pack<T, n> p = part(0, i);
      A sum[n];
      for (int k = 0; k < n; ++k) sum[k] = static_cast<A>(p.v[k]);
#pragma unroll 4
      for (int r = 1; r < ranks; ++r) {
        p = part(r, i);
        for (int k = 0; k < n; ++k) sum[k] = Op{}(sum[k], static_cast<A>(p.v[k]));
      }
      for (int k = 0; k < n; ++k) p.v[k] = static_cast<T>(sum[k]);
      out[i] = p;
    }
  }
};

template <class T, class Op, int n>
void run_packs(gpu::Device& device, gpu::Stream stream, const Parts& p) {
  using Kernel = ReduceParts<T, Op, n>;
  const Kernel kernel{static_cast<const Pack<T, n>*>(p.others),
                      static_cast<const Pack<T, n>*>(p.own),
                      static_cast<Pack<T, n>*>(p.out),
                      p.count / n,
                      p.ranks,
                      p.rank};
  const Index blocks = std::min(gpu::blocks_for(kernel.count, Kernel::kThreads), kMostBlocks);
  gpu::launch(device, stream, {.blocks = blocks, .threads = Kernel::kThreads}, kernel);
}

/// Sums of activations and gradients go by 16 bytes where all parts lie so.
template <class T, class Op>
void run(gpu::Device& device, gpu::Stream stream, const Parts& p) {
  constexpr bool kHot =
      std::is_same_v<Op, detail::Sum> && (std::is_same_v<T, float> || std::is_same_v<T, bfloat16>);
  if constexpr (kHot) {
    constexpr int kPack = 16 / static_cast<int>(sizeof(T));
    const auto aligned = [](const void* at) { return reinterpret_cast<std::uintptr_t>(at) % 16 == 0; };
    if (p.count % kPack == 0 && aligned(p.others) && aligned(p.own) && aligned(p.out))
      return run_packs<T, Op, kPack>(device, stream, p);
  }
  run_packs<T, Op, 1>(device, stream, p);
}

template <class T>
void run_op(gpu::Device& device, gpu::Stream stream, const Parts& p) {
  switch (p.op) {
    case ReduceOp::kSum:
      return run<T, detail::Sum>(device, stream, p);
    case ReduceOp::kMax:
      return run<T, detail::Max>(device, stream, p);
    case ReduceOp::kMin:
      return run<T, detail::Min>(device, stream, p);
  }
}

}  // namespace

void reduce(gpu::Device& device, gpu::Stream stream, const Parts& p) {
  switch (p.type) {
    case DataType::kByte:
      return run_op<std::uint8_t>(device, stream, p);
    case DataType::kInt32:
      return run_op<std::int32_t>(device, stream, p);
    case DataType::kInt64:
      return run_op<std::int64_t>(device, stream, p);
    case DataType::kFloat:
      return run_op<float>(device, stream, p);
    case DataType::kDouble:
      return run_op<double>(device, stream, p);
    case DataType::kBfloat16:
      return run_op<bfloat16>(device, stream, p);
  }
}

}  // namespace opx::comm::gpu
