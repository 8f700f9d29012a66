// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Events, and what waits for them or for streams.
#include <utility>

#include "device/gpu/cuda/impl.hpp"

namespace opx::device::gpu {

using cuda::add;
using cuda::check;
using cuda::native;

namespace {

/// Made at the first record(), on the GPU of the stream; an Event knows no Device.
struct EventState {
  cudaEvent_t event = nullptr;
};
EventState& state_of(const Event& event) { return *static_cast<EventState*>(event.native()); }

}  // namespace

Event::Event() : native_(new EventState) {}
Event::~Event() {
  auto* state = static_cast<EventState*>(native_);
  if (state != nullptr && state->event != nullptr) static_cast<void>(cudaEventDestroy(state->event));
  delete state;
}
Event& Event::operator=(Event&& other) noexcept {
  std::swap(native_, other.native_);
  return *this;
}

void Device::record(Event& event, Stream stream) {
  impl_->use();
  EventState& state = state_of(event);
  if (state.event == nullptr)
    check(cudaEventCreateWithFlags(&state.event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  impl_->checked(cudaEventRecord(state.event, native(stream)), "cudaEventRecord");
}
void Device::wait(Stream stream, const Event& event) {
  const EventState& state = state_of(event);
  if (state.event == nullptr) return;  // never recorded: nothing to wait for
  add(impl_->counters.waits, 1);
  impl_->use();
  impl_->checked(cudaStreamWaitEvent(native(stream), state.event, 0), "cudaStreamWaitEvent");
}
bool Device::reached(const Event& event) {
  const EventState& state = state_of(event);
  if (state.event == nullptr) return true;
  const cudaError_t code = cudaEventQuery(state.event);
  if (code == cudaSuccess) return true;
  static_cast<void>(cudaGetLastError());  // "not ready" counts as the thread's last error, too
  if (code == cudaErrorNotReady) return false;
  cuda::throw_code(code, "cudaEventQuery", nullptr);
}
// A wait is for what the event held when the wait was put: one event serves all calls.
void Device::order(Stream before, Stream after) {
  impl_->use();
  add(impl_->counters.waits, 1);
  const std::lock_guard lock(impl_->order_mutex);
  impl_->checked(cudaEventRecord(impl_->order, native(before)), "cudaEventRecord");
  impl_->checked(cudaStreamWaitEvent(native(after), impl_->order, 0), "cudaStreamWaitEvent");
}

void Device::wait_on_host(const Event& event) {
  impl_->refuse_in_capture("wait_on_host");
  impl_->use();  // a new thread's first call would make a context on GPU 0
  if (reached(event)) return;
  add(impl_->counters.host_waits, 1);
  impl_->checked(cudaEventSynchronize(state_of(event).event), "cudaEventSynchronize");
}
void Device::synchronise(Stream stream) {
  impl_->refuse_in_capture("synchronise");
  add(impl_->counters.synchronisations, 1);
  impl_->use();
  impl_->checked(cudaStreamSynchronize(native(stream)), "cudaStreamSynchronize");
}
void Device::synchronise() {
  impl_->refuse_in_capture("synchronise");
  add(impl_->counters.synchronisations, 1);
  impl_->use();
  for (const cudaStream_t stream : impl_->streams)
    impl_->checked(cudaStreamSynchronize(stream), "cudaStreamSynchronize");
}

}  // namespace opx::device::gpu
