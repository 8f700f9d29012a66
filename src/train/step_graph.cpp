// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/step_graph.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/error.hpp"

namespace opx::train {
namespace {

using tensor::deferred::StepInputs;
constexpr Index kWarmUp = 2;        // communicators, algorithms, pools
constexpr Index kMostFailures = 3;  // captures; an evaluation may have moved the pools' buffers

}  // namespace

std::unique_ptr<StepGraph> StepGraph::make(device::Context& context, comm::Communicator& world) {
  const char* reason = !context.on_gpu() ? "the run is on the CPU"
                       : world.size() > 1 && !world.on_streams()
                           ? "collectives go through the host; a graph takes one rank, or NCCL"
                           : nullptr;
  if (reason == nullptr) return std::make_unique<StepGraph>(context, world);
  if (world.rank() == 0) context.logger().warning("no CUDA graph: {}", reason);
  return nullptr;
}

StepGraph::StepGraph(device::Context& context, comm::Communicator& world)
    : context_(context), world_(world), inputs_(context, 1), memory_(context.gpu()) {}

StepGraph::~StepGraph() {
  device::gpu::Device& gpu = context_.gpu();
  try {
    gpu.synchronise();
  } catch (...) {  // a lost device has said so
  }
  for (const Sent& sent : sent_) gpu.deallocate_pinned(sent.here, sizeof(StepInputs));
}

void StepGraph::run(const StepInputs& inputs, base::FunctionRef<void()> work) {
  send(inputs);
  ++steps_;
  if (!graph_.empty()) return launch();
  if (steps_ <= kWarmUp || failures_ >= kMostFailures) return work();
  const device::gpu::GraphMemory::Use use(memory_);
  agreed(settled_) ? capture(work) : rehearse(work);
}

/// The oldest page-locked inputs that have been read, else new ones.
void StepGraph::send(const StepInputs& inputs) {
  device::gpu::Device& gpu = context_.gpu();
  Sent slot;
  if (!sent_.empty() && device::gpu::Device::reached(sent_.front().read)) {
    slot = std::move(sent_.front());
    sent_.pop_front();
  } else {
    slot.here = static_cast<StepInputs*>(gpu.allocate_pinned(sizeof(StepInputs)));
  }
  *slot.here = inputs;
  sent_.push_back(std::move(slot));  // from here on it is freed whatever throws
  gpu.copy(inputs_.data(), sent_.back().here, sizeof(StepInputs), gpu.compute());
  gpu.record(sent_.back().read, gpu.compute());
}

void StepGraph::rehearse(base::FunctionRef<void()> work) {
  const std::size_t before = memory_.bytes();
  memory_.restart();
  work();
  settled_ = steps_ > kWarmUp + 1 && memory_.bytes() == before;
}

void StepGraph::capture(base::FunctionRef<void()> work) {
  device::gpu::Device& gpu = context_.gpu();
  const comm::Traffic before = world_.traffic();
  std::string failure;
  try {
    gpu.begin_capture(gpu.compute(), memory_);
    work();
    graph_ = gpu.end_capture();
  } catch (const base::DeviceError& e) {
    gpu.abandon_capture();
    failure = e.what();
  } catch (...) {
    gpu.abandon_capture();
    throw;
  }
  traffic_ = world_.traffic().since(before);
  world_.traffic() = before;
  if (agreed(failure.empty())) return launch();
  graph_ = device::gpu::GraphExec();
  memory_.forget_graph();
  settled_ = false;
  if (++failures_ == kMostFailures)
    context_.logger().warning("no CUDA graph: a step was not captured in {} attempts: {}", failures_,
                              failure.empty() ? "another rank's was not" : failure);
  rehearse(work);
}

void StepGraph::launch() {
  world_.check_streams();
  context_.gpu().launch(graph_, context_.gpu().compute());
  world_.watch_stream(context_.gpu().compute(), "a captured step");
  world_.traffic() += traffic_;
  ++launches_;
}

bool StepGraph::agreed(bool here) {
  if (world_.size() == 1) return here;
  const comm::Traffic counted = world_.traffic();
  std::int32_t everywhere = here ? 1 : 0;
  world_.all_reduce(std::span(&everywhere, 1), comm::ReduceOp::kMin, comm::CommPurpose::kSetup);
  world_.traffic() = counted;
  return everywhere != 0;
}

}  // namespace opx::train
