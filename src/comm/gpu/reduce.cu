// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>

#include "comm/detail/reduce_ops.hpp"
#include "comm/gpu/reduce.hpp"
#include "device/gpu/api.hpp"

namespace opx::comm::gpu {
namespace {

namespace gpu = device::gpu;
constexpr Index kMostBlocks = 2048;

template <class T, class Op>
struct ReduceParts {
  static constexpr const char* kName = "reduce_parts";
  static constexpr int kThreads = 256;
  const T* others;
  const T* own;
  T* out;
  Index count;
  int ranks, rank;

  OPX_DEVICE T part(int r, Index i) const {
    if (r == rank) return own[i];
    return others[static_cast<Index>(r < rank ? r : r - 1) * count + i];
  }
  OPX_DEVICE void operator()() const {
    using A = detail::Accumulator<T>;
    for (Index i = gpu::global_thread(); i < count; i += gpu::all_threads()) {
      A sum = static_cast<A>(part(0, i));
      for (int r = 1; r < ranks; ++r) sum = Op{}(sum, static_cast<A>(part(r, i)));
      out[i] = static_cast<T>(sum);
    }
  }
};

template <class T, class Op>
void run(gpu::Device& device, gpu::Stream stream, const Parts& p) {
  using Kernel = ReduceParts<T, Op>;
  const Kernel kernel{static_cast<const T*>(p.others),
                      static_cast<const T*>(p.own),
                      static_cast<T*>(p.out),
                      p.count,
                      p.ranks,
                      p.rank};
  const Index blocks = std::min(gpu::blocks_for(p.count, Kernel::kThreads), kMostBlocks);
  gpu::launch(device, stream, {.blocks = blocks, .threads = Kernel::kThreads}, kernel);
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
