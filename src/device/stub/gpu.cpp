// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The Device of a build without a GPU runtime: there is none.
#include <exception>

#include "base/error.hpp"
#include "device/gpu/device.hpp"

namespace opx::device::gpu {
namespace {

[[noreturn]] void refuse() {
  throw base::NotCompiled(
      "this build has no GPU support; configure with -DOPX_WITH_CUDA=ON, or use --device cpu");
}

}  // namespace

struct Device::Impl {};

std::string_view runtime_name() noexcept { return "none"; }
int count() noexcept { return 0; }
const base::RangeListener* profiler_ranges() noexcept { return nullptr; }
Properties properties(int) { refuse(); }

Event::Event() { refuse(); }
Event::~Event() = default;
Event& Event::operator=(Event&&) noexcept { return *this; }

Device::Device(DeviceOptions) { refuse(); }
Device::~Device() = default;
int Device::ordinal() const noexcept { return -1; }
void Device::make_current() { refuse(); }
void Device::share_memory() { refuse(); }
Stream Device::stream(StreamUse) const noexcept { return {}; }
void* Device::allocate(std::size_t, Stream) { refuse(); }
void Device::deallocate(void*, std::size_t, Stream) noexcept {}
void* Device::allocate_shareable(std::size_t) { refuse(); }
void Device::deallocate_shareable(void*, std::size_t) noexcept {}
void* Device::allocate_pinned(std::size_t) { refuse(); }
void Device::deallocate_pinned(void*, std::size_t) noexcept {}
MemoryAccount& Device::memory() noexcept { std::terminate(); }  // there is no Device
bool Device::is_device_memory(const void*) noexcept { return false; }
void Device::copy(void*, const void*, std::size_t, Stream) { refuse(); }
void Device::copy_2d(void*, std::size_t, const void*, std::size_t, std::size_t, std::size_t, Stream) {
  refuse();
}
void Device::fill_bytes(void*, int, std::size_t, Stream) { refuse(); }
void Device::record(Event&, Stream) { refuse(); }
void Device::wait(Stream, const Event&) { refuse(); }
void Device::order(Stream, Stream) { refuse(); }
bool Device::reached(const Event&) { refuse(); }
void Device::wait_on_host(const Event&) { refuse(); }
void Device::synchronise(Stream) { refuse(); }
void Device::synchronise() { refuse(); }
void Device::begin_capture(Stream, GraphMemory&) { refuse(); }
GraphExec Device::end_capture() { refuse(); }
void Device::abandon_capture() noexcept {}
bool Device::capturing() const noexcept { return false; }
void Device::launch(const GraphExec&, Stream) { refuse(); }
void* Device::allocate_new(std::size_t, Stream) { refuse(); }
void Device::set_graph_memory(GraphMemory*, bool) {}
const Counters& Device::counters() const noexcept {
  static constexpr Counters kNone{};
  return kNone;
}
void Device::count_launch(const char*) noexcept {}
void Device::reset_counters() noexcept {}
std::shared_ptr<void> Device::library(std::string_view, std::shared_ptr<void> (*)(Device&)) { refuse(); }

}  // namespace opx::device::gpu
