// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/step_results.hpp"

#include <utility>

#include "base/error.hpp"

namespace opx::train {

using tensor::deferred::StepRecord;

StepResults::StepResults(device::Context& context) : context_(context) {
  if (context.on_gpu()) record_ = device::Buffer<StepRecord>(context, 1);
}

StepResults::~StepResults() {
  try {
    while (!arriving_.empty()) (void)pop();
  } catch (...) {  // a lost device has said so
  }
  for (const auto& slots : {&free_, &arriving_})
    for (const auto& slot : *slots) context_.gpu().deallocate_pinned(slot->here, sizeof(StepRecord));
}

void StepResults::push_record(double learning_rate) {
  device::gpu::Device& gpu = context_.gpu();
  if (free_.empty()) {
    free_.push_back(std::make_unique<Arriving>());
    free_.back()->here = static_cast<StepRecord*>(gpu.allocate_pinned(sizeof(StepRecord)));
  }
  Arriving& slot = *free_.front();  // stays there until nothing can throw any more
  gpu.copy(slot.here, record_.data(), sizeof(StepRecord), gpu.compute());
  gpu.record(slot.there, gpu.compute());
  arriving_.push_back(std::move(free_.front()));
  free_.pop_front();
  results_.push_back({.learning_rate = learning_rate});
}

StepResult StepResults::pop() {
  OPX_REQUIRE(!results_.empty(), InternalError, "the result of a step that was not begun");
  StepResult result = results_.front();
  results_.pop_front();
  if (arriving_.empty()) return result;
  context_.gpu().wait_on_host(arriving_.front()->there);
  const StepRecord record = *arriving_.front()->here;
  free_.push_back(std::move(arriving_.front()));
  arriving_.pop_front();
  result.loss = record.loss;
  result.weight = record.weight;
  result.gradient_norm = record.gradient_norm;
  result.stop = record.stop > 0;
  return result;
}

}  // namespace opx::train
