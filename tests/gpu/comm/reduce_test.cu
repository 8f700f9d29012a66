// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of GPU memory equal the host's to the bit, for every type and operator.
#include <cstring>
#include <vector>

#include "base/random.hpp"
#include "comm/detail/reduce.hpp"
#include "comm/gpu/reduce.hpp"
#include "device/transfer.hpp"
#include "support/gpu.hpp"

namespace opx::comm {
namespace {

using GpuReduce = test::GpuTest;

template <class T>
std::vector<T> random_part(int part, Index count) {
  std::vector<T> values;
  for (Index i = 0; i < count; ++i) {
    const auto r = base::philox({5, base::Purpose::kTest}, {.layer = static_cast<std::uint32_t>(part),
                                                            .vertex = static_cast<std::uint64_t>(i)});
    if constexpr (std::is_integral_v<T>)
      values.push_back(static_cast<T>(r[0]));
    else
      values.push_back(static_cast<T>(base::uniform_float(r[0]) * 2000.0F - 1000.0F));
  }
  return values;
}

template <class T>
void check(device::Context& context, Index count, int ranks, int rank, ReduceOp op) {
  std::vector<std::vector<T>> parts;
  std::vector<const void*> pointers;
  std::vector<T> others;
  for (int r = 0; r < ranks; ++r) parts.push_back(random_part<T>(r, count));
  for (int r = 0; r < ranks; ++r) {
    const auto& p = parts[static_cast<std::size_t>(r)];
    pointers.push_back(p.data());
    if (r != rank) others.insert(others.end(), p.begin(), p.end());
  }
  std::vector<T> want(static_cast<std::size_t>(count));
  detail::reduce(pointers, want.data(), count, data_type<T>(), op);

  const device::Buffer<T> staged = device::device_copy<T>(context, std::span<const T>(others));
  device::Buffer<T> own =
      device::device_copy<T>(context, std::span<const T>(parts[static_cast<std::size_t>(rank)]));
  gpu::reduce(context.gpu(), context.gpu().compute(),
              {.others = staged.data(),
               .own = own.data(),
               .out = own.data(),
               .count = count,
               .ranks = ranks,
               .rank = rank,
               .type = data_type<T>(),
               .op = op});
  const auto got = device::host_copy<T>(context, own.span());
  EXPECT_EQ(std::memcmp(got.data(), want.data(), want.size() * sizeof(T)), 0)
      << count << " elements of " << sizeof(T) << " bytes, rank " << rank << " of " << ranks;
}

TEST_F(GpuReduce, EqualsTheHostInEveryTypeAndOperator) {
  for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMax, ReduceOp::kMin}) {
    check<std::uint8_t>(context(), 300, 3, 1, op);
    check<std::int32_t>(context(), 257, 4, 3, op);
    check<std::int64_t>(context(), 31, 2, 0, op);
    check<float>(context(), 1000, 5, 2, op);
    check<double>(context(), 65, 3, 2, op);
    check<bfloat16>(context(), 513, 4, 0, op);
    check<bfloat16>(context(), 512, 7, 3, op);  // by 16 bytes, as the 1000 floats
    check<float>(context(), 1001, 6, 5, op);
  }
  check<float>(context(), 1, 8, 7, ReduceOp::kSum);
}

}  // namespace
}  // namespace opx::comm
