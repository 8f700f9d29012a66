// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Captures and their launches.
#include "device/gpu/cuda/impl.hpp"

namespace opx::device::gpu {

using cuda::add;
using cuda::check;
using cuda::native;

// Thread-local: what other threads (the watchdog, a batch builder) ask of the runtime neither ends up in the
// graph nor spoils it.
void Device::begin_capture(Stream stream, GraphMemory& memory) {
  OPX_REQUIRE(impl_->origin == nullptr, DeviceError, "a capture is under way");
  memory.begin_capture();
  impl_->use();
  const cudaError_t begun = cudaStreamBeginCapture(native(stream), cudaStreamCaptureModeThreadLocal);
  if (begun != cudaSuccess) memory.end_capture(false);
  impl_->checked(begun, "cudaStreamBeginCapture");
  impl_->origin = native(stream);
  impl_->captured_memory = &memory;
  impl_->capturer = std::this_thread::get_id();
}

void Device::Impl::forget_capture(bool captured) noexcept {
  captured_memory->end_capture(captured);
  captured_memory = nullptr;
  origin = nullptr;
  capturer = std::thread::id();
}

GraphExec Device::end_capture() {
  OPX_REQUIRE(impl_->captures(), DeviceError, "no capture of this thread is under way");
  impl_->use();
  for (const cudaStream_t stream : impl_->streams) {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    if (stream != impl_->origin) check(cudaStreamIsCapturing(stream, &status), "cudaStreamIsCapturing");
    if (status == cudaStreamCaptureStatusActive) order({stream}, {impl_->origin});
  }
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(impl_->origin, &graph);
  cudaGraphExec_t exec = nullptr;
  const cudaError_t made = ended == cudaSuccess ? cudaGraphInstantiate(&exec, graph, 0) : ended;
  if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  impl_->forget_capture(made == cudaSuccess);
  impl_->checked(ended, "cudaStreamEndCapture");
  impl_->checked(made, "cudaGraphInstantiate");
  return GraphExec(std::shared_ptr<void>(
      exec, [](void* old) { static_cast<void>(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(old))); }));
}

void Device::abandon_capture() noexcept {
  if (!impl_->captures()) return;
  cudaGraph_t graph = nullptr;
  static_cast<void>(cudaStreamEndCapture(impl_->origin, &graph));
  if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  static_cast<void>(cudaGetLastError());
  impl_->forget_capture(false);
}

bool Device::capturing() const noexcept { return impl_->captures(); }

void Device::launch(const GraphExec& graph, Stream stream) {
  OPX_REQUIRE(!graph.empty(), InvalidArgument, "a graph that holds nothing");
  impl_->use();
  impl_->checked(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph.native()), native(stream)),
                 "cudaGraphLaunch");
  add(impl_->counters.launches, 1);
}

}  // namespace opx::device::gpu
