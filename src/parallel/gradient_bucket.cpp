// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/gradient_bucket.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace opx::parallel {

std::size_t GradientBucket::add(std::string name, Index rows, Index cols) {
  OPX_REQUIRE(data_.empty(), InternalError, "slot '{}' added to a bucket that is allocated", name);
  OPX_REQUIRE(rows >= 0 && cols >= 0, InvalidArgument, "slot '{}' of {} x {}", name, rows, cols);
  for (const Slot& slot : slots_)
    OPX_REQUIRE(slot.name != name, InvalidArgument, "two slots named '{}'", name);
  slots_.push_back({std::move(name), rows, cols, size_});
  size_ += rows * cols;
  return slots_.size() - 1;
}

void GradientBucket::allocate(device::Context& context) {
  data_ = device::Buffer<float>(context, size_);
  zero();
}

tensor::MatrixView<float> GradientBucket::view(std::size_t slot) noexcept {
  const Slot& s = slots_[slot];
  return {data_.data() + s.offset, s.rows, s.cols};
}

std::span<float> GradientBucket::span(std::size_t slot) noexcept {
  const Slot& s = slots_[slot];
  return {data_.data() + s.offset, static_cast<std::size_t>(s.size())};
}

void GradientBucket::zero() noexcept { std::fill(data_.begin(), data_.end(), 0.0F); }

void GradientBucket::reduce(device::Context& context, ProcessGrid& grid) {
  if (grid.world().size() == 1 || size_ == 0) return;
  base::PhaseScope scope(context.clock(), base::Phase::kComm, "gradients");
  grid.world().all_reduce(data_.span(), comm::ReduceOp::kSum, comm::CommPurpose::kGradient);
}

}  // namespace opx::parallel
