// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The library of the host runtime: plain loops. Where cuSPARSE would read an analysis that is of something
// else, it says so: of another shape of call at once, of a pattern or work memory that has changed when the
// stream gets there.
#include <tuple>
#include <vector>

#include "base/error.hpp"
#include "device/gpu/api.hpp"
#include "spmm/gpu/library.hpp"

namespace opx::spmm::gpu {
namespace {

using device::gpu::host::enqueue;

constexpr std::uint64_t kPrime = 0x100000001B3;  // FNV-1a over words

std::uint64_t checksum(const CsrView& a) {
  std::uint64_t sum = 0xCBF29CE484222325;
  for (const Index offset : a.row_offsets) sum = (sum ^ static_cast<std::uint64_t>(offset)) * kPrime;
  for (const LocalIndex column : a.col_ids) sum = (sum ^ static_cast<std::uint64_t>(column)) * kPrime;
  return sum;
}

void product(const CsrView& a, const std::int32_t* row_offsets, const LibraryCall& call) {
  std::vector<float> sums(static_cast<std::size_t>(call.x.cols));
  for (Index i = 0; i < a.rows; ++i) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    for (Index e = row_offsets[i]; e < row_offsets[i + 1]; ++e) {
      const float* from = call.x.row(a.col_ids[static_cast<std::size_t>(e)]);
      for (Index j = 0; j < call.x.cols; ++j) sums[static_cast<std::size_t>(j)] += call.weights[e] * from[j];
    }
    float* to = call.y.row(i);
    for (Index j = 0; j < call.x.cols; ++j)
      to[j] = (call.accumulate ? to[j] : 0.0F) + sums[static_cast<std::size_t>(j)];
  }
}

}  // namespace

struct LibraryMatrix::Impl {
  device::gpu::Device& device;
  CsrView a;
  const std::int32_t* row_offsets;
  const void* analysed = nullptr;                          // the work memory
  std::tuple<Index, Index, Index, int> shape{0, 0, 0, 0};  // and the call that it is for

  [[nodiscard]] static std::tuple<Index, Index, Index, int> shape_of(const LibraryCall& call) {
    return {call.x.cols, call.x.ld, call.y.ld, call.algorithm};
  }
};

LibraryMatrix::LibraryMatrix(device::gpu::Device& device, const CsrView& a, const std::int32_t* row_offsets)
    : impl_(new Impl{device, a, row_offsets}) {}
LibraryMatrix::LibraryMatrix(LibraryMatrix&&) noexcept = default;
LibraryMatrix::~LibraryMatrix() = default;

std::size_t LibraryMatrix::work_bytes(const LibraryCall&) { return sizeof(std::uint64_t); }

void LibraryMatrix::analyse(const LibraryCall& call, void* work) {
  impl_->analysed = work;
  impl_->shape = Impl::shape_of(call);
  enqueue(impl_->device, impl_->device.compute(), "spmm_analyse",
          [a = impl_->a, sum = static_cast<std::uint64_t*>(work)] { *sum = checksum(a); });
}

void LibraryMatrix::multiply(const LibraryCall& call, void* work) {
  const bool known = work == impl_->analysed;
  OPX_REQUIRE(!known || impl_->shape == Impl::shape_of(call), DeviceError,
              "a product of {} columns with the analysis of another", call.x.cols);
  enqueue(impl_->device, impl_->device.compute(), "spmm_library",
          [a = impl_->a, offsets = impl_->row_offsets, call, known,
           sum = static_cast<const std::uint64_t*>(work)] {
            OPX_REQUIRE(!known || *sum == checksum(a), DeviceError,
                        "the pattern of a matrix of {} x {} is not the one that was analysed", a.rows,
                        a.cols);
            product(a, offsets, call);
          });
  impl_->device.count_launch("spmm_library");
}

}  // namespace opx::spmm::gpu
