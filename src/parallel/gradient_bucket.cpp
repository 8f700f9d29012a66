// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/gradient_bucket.hpp"

#include "base/error.hpp"

namespace opx::parallel {

GradientBucket::GradientBucket(device::Context& context, comm::Communicator& group, std::span<float> data,
                               Index least)
    : context_(context),
      group_(group),
      data_(data),
      least_(least),
      ready_(std::ssize(data)),
      sent_(std::ssize(data)) {}

void GradientBucket::ready_from(Index begin) {
  OPX_REQUIRE(begin >= 0 && begin <= ready_, InternalError,
              "gradients from {} on are said to be complete; from {} on they were already", begin, ready_);
  ready_ = begin;
  if (sent_ - ready_ >= least_) send();
}

void GradientBucket::send() {
  if (group_.size() > 1 && sent_ > ready_) {
    const base::PhaseScope scope(context_.clock(), base::Phase::kComm, "gradients");
    const auto part =
        data_.subspan(static_cast<std::size_t>(ready_), static_cast<std::size_t>(sent_ - ready_));
    under_way_.push_back(group_.iall_reduce(part, comm::ReduceOp::kSum, comm::CommPurpose::kGradient));
  }
  sent_ = ready_;
}

void GradientBucket::finish() {
  ready_from(0);
  send();
  const base::PhaseScope scope(context_.clock(), base::Phase::kComm, "gradients");
  for (comm::Request& request : under_way_) request.wait();
  under_way_.clear();
  ready_ = sent_ = std::ssize(data_);
}

}  // namespace opx::parallel
