// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A training step that is launched as one CUDA graph. The first steps run as ever; the next ones with memory
// of the graph, until they ask for nothing new; then one is captured, and it and all that follow are one
// launch each. Losses and parameters are those of steps that are not captured, to the bit.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "base/function_ref.hpp"
#include "comm/communicator.hpp"
#include "device/buffer.hpp"
#include "device/gpu/device.hpp"
#include "device/gpu/graph_memory.hpp"
#include "tensor/deferred.hpp"

namespace opx::train {

class StepGraph {
 public:
  /// Null, with the reason in the log of rank 0, where a step cannot be captured: on the CPU, and where
  /// collectives of several ranks go through the host. `world` is that of the steps.
  [[nodiscard]] static std::unique_ptr<StepGraph> make(device::Context& context, comm::Communicator& world);
  StepGraph(device::Context& context, comm::Communicator& world);
  ~StepGraph();
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  /// In memory of the GPU: those of the step under way.
  [[nodiscard]] const tensor::deferred::StepInputs* inputs() const noexcept { return inputs_.data(); }
  /// One step: `work` puts it on the compute stream and those that wait for it, the same work every time but
  /// for what it reads from inputs(), and it does not let the host wait. Where the capture fails on any
  /// rank, steps run as ever on all, with a warning. Collective.
  void run(const tensor::deferred::StepInputs& inputs, base::FunctionRef<void()> work);
  /// Steps that were one launch.
  [[nodiscard]] Index launches() const noexcept { return launches_; }

 private:
  /// Page-locked inputs on their way.
  struct Sent {
    tensor::deferred::StepInputs* here = nullptr;
    device::gpu::Event read;
  };
  void send(const tensor::deferred::StepInputs& inputs);
  void rehearse(base::FunctionRef<void()> work);
  void capture(base::FunctionRef<void()> work);
  void launch();
  /// Whether it is so on every rank: NCCL's collectives are captured, and launched so, on all ranks or none.
  [[nodiscard]] bool agreed(bool here);

  device::Context& context_;
  comm::Communicator& world_;
  device::Buffer<tensor::deferred::StepInputs> inputs_;
  std::deque<Sent> sent_;
  device::gpu::GraphMemory memory_;
  device::gpu::GraphExec graph_;  // before its memory
  comm::Traffic traffic_;         // of one step
  Index steps_ = 0, launches_ = 0, failures_ = 0;
  bool settled_ = false;  // the last step asked for nothing new
};

}  // namespace opx::train
