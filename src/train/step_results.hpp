// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What steps gave, oldest first. On a GPU a result is still under way when its step has been put on the
// stream: it comes by a copy into page-locked memory, and only who asks for it waits.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "device/buffer.hpp"
#include "device/gpu/device.hpp"
#include "tensor/deferred.hpp"

namespace opx::train {

struct StepResult {
  double loss = 0;    ///< mean over the labelled training vertices of the step
  double weight = 1;  ///< of the step in the mean of its epoch; 0: nothing labelled, nothing updated
  double gradient_norm = 0, learning_rate = 0;
  bool stop = false;  ///< some rank wants to stop: the same on all
};

class StepResults {
 public:
  explicit StepResults(device::Context& context);
  ~StepResults();
  StepResults(const StepResults&) = delete;
  StepResults& operator=(const StepResults&) = delete;

  /// On a GPU: where the step under way leaves its record, in memory of the GPU.
  [[nodiscard]] tensor::deferred::StepRecord* record() noexcept { return record_.data(); }
  void push(const StepResult& result) { results_.push_back(result); }
  /// The record as it will be when the compute stream has come here.
  void push_record(double learning_rate);
  [[nodiscard]] std::size_t size() const noexcept { return results_.size(); }
  /// The oldest; on a GPU it waits for it. Throws InternalError where there is none.
  [[nodiscard]] StepResult pop();

 private:
  struct Arriving {
    tensor::deferred::StepRecord* here = nullptr;  ///< page-locked
    device::gpu::Event there;
  };
  device::Context& context_;
  device::Buffer<tensor::deferred::StepRecord> record_;
  std::deque<StepResult> results_;
  std::deque<std::unique_ptr<Arriving>> arriving_, free_;
};

}  // namespace opx::train
