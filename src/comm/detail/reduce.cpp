// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/detail/reduce.hpp"

#include <algorithm>

#include "comm/detail/reduce_ops.hpp"

namespace opx::comm::detail {
namespace {

// Long enough for the vector loop, small enough that accumulator and source stay in the first-level cache.
constexpr Index kBlock = 2048;

template <class T, class Op>
void reduce_typed(std::span<const void* const> parts, T* out, Index count, Op op) {
  using A = Accumulator<T>;
  A acc[kBlock];
  for (Index begin = 0; begin < count; begin += kBlock) {
    const Index n = std::min(kBlock, count - begin);
    const T* first = static_cast<const T*>(parts[0]) + begin;
    for (Index i = 0; i < n; ++i) acc[i] = static_cast<A>(first[i]);
    for (std::size_t p = 1; p < parts.size(); ++p) {
      const T* part = static_cast<const T*>(parts[p]) + begin;
      for (Index i = 0; i < n; ++i) acc[i] = op(acc[i], static_cast<A>(part[i]));
    }
    for (Index i = 0; i < n; ++i) out[begin + i] = static_cast<T>(acc[i]);
  }
}

template <class T>
void reduce_by(std::span<const void* const> parts, void* out, Index count, ReduceOp op) {
  T* to = static_cast<T*>(out);
  switch (op) {
    case ReduceOp::kSum:
      return reduce_typed(parts, to, count, Sum{});
    case ReduceOp::kMax:
      return reduce_typed(parts, to, count, Max{});
    case ReduceOp::kMin:
      return reduce_typed(parts, to, count, Min{});
  }
}

}  // namespace

void reduce(std::span<const void* const> parts, void* out, Index count, DataType type, ReduceOp op) {
  if (count == 0) return;
  switch (type) {
    case DataType::kByte:
      return reduce_by<std::uint8_t>(parts, out, count, op);
    case DataType::kInt32:
      return reduce_by<std::int32_t>(parts, out, count, op);
    case DataType::kInt64:
      return reduce_by<std::int64_t>(parts, out, count, op);
    case DataType::kFloat:
      return reduce_by<float>(parts, out, count, op);
    case DataType::kDouble:
      return reduce_by<double>(parts, out, count, op);
    case DataType::kBfloat16:
      return reduce_by<bfloat16>(parts, out, count, op);
  }
}

}  // namespace opx::comm::detail
