// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The Device of the host runtime.
#include "device/gpu/device.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "device/gpu/api.hpp"
#include "device/gpu/graph_memory.hpp"
#include "device/gpu/host/memory.hpp"
#include "device/gpu/host/queues.hpp"
#include "device/gpu/host/scheduler.hpp"
#include "device/gpu/out_of_memory.hpp"

namespace opx::device::gpu {
namespace {

using host::EventRef;
using host::Operation;
constexpr std::size_t kSharedBytes = 232448;  // as compute capability 9.0 has
constexpr int kMostThreads = 1024, kGarbage = 0xA5;

std::uint64_t chosen_seed(std::uint64_t asked) {
  if (asked != 0) return asked;
  const char* text = std::getenv("OPX_GPU_HOST_SEED");
  const std::uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
  return seed != 0 ? seed : 1;
}

void add(std::int64_t& counter, std::int64_t n) noexcept {
  std::atomic_ref(counter).fetch_add(n, std::memory_order_relaxed);
}

EventRef& state_of(void* native) { return *static_cast<EventRef*>(native); }
host::Queue& queue_of(Stream stream) {
  OPX_REQUIRE(stream.native != nullptr, InvalidArgument, "a Stream of no Device");
  return *static_cast<host::Queue*>(stream.native);
}

/// All that may be a pointer among a kernel's arguments.
std::vector<const void*> words_of(std::span<const std::byte> arguments) {
  std::vector<const void*> words(arguments.size() / sizeof(void*));
  if (!words.empty()) std::memcpy(words.data(), arguments.data(), words.size() * sizeof(void*));
  return words;
}

}  // namespace

struct Device::Impl {
  Impl(std::uint64_t seed, std::size_t limit) : queues(seed), memory_limit(limit) {}
  host::Queues queues;
  std::size_t memory_limit;
  MemoryAccount memory;
  Counters counters;
  std::map<std::string, std::shared_ptr<void>, std::less<>> libraries;
  const char* last_kernel = "none";

  std::atomic<GraphMemory*> graph_memory{nullptr};
  GraphMemory* captured_memory = nullptr;
  std::atomic<std::thread::id> capturer{};

  [[nodiscard]] bool captures() const noexcept { return capturer.load() == std::this_thread::get_id(); }
  void refuse_in_capture(const char* what) const {
    OPX_REQUIRE(!captures(), DeviceError, "{} within a capture", what);
  }
  void work(Stream stream, const char* name, std::function<void()> what,
            std::vector<const void*> touches = {}) {
    queues.put(queue_of(stream), {.kind = Operation::Kind::kWork,
                                  .name = name,
                                  .work = std::move(what),
                                  .touches = std::move(touches)});
  }
  /// Garbage in the order of the stream: who uses the memory from another one without an event loses it.
  void spoil(void* pointer, std::size_t bytes, Stream stream, const char* name) {
    queues.put(queue_of(stream), {.kind = Operation::Kind::kMemory,
                                  .name = name,
                                  .work = [pointer, bytes] { std::memset(pointer, kGarbage, bytes); },
                                  .touches = {pointer}});
  }
};

std::string_view runtime_name() noexcept { return "host"; }
int count() noexcept { return 1; }
const base::RangeListener* profiler_ranges() noexcept { return nullptr; }
Properties properties(int ordinal) {
  OPX_REQUIRE(ordinal == 0, DeviceError, "GPU {} of 1", ordinal);
  return {.name = "GPU kernels on the CPU, for tests",
          .uuid = "host",
          .ordinal = 0,
          .major = 9,
          .minor = 0,
          .multiprocessors = 4,
          .memory_total = host::memory_total(),
          .memory_free = host::memory_free(),
          .l2_bytes = std::size_t{1} << 20,
          .shared_bytes_per_block = kSharedBytes};
}

Event::Event() : native_(new EventRef(std::make_shared<host::EventState>())) {}
Event::~Event() { delete static_cast<EventRef*>(native_); }
Event& Event::operator=(Event&& other) noexcept {
  std::swap(native_, other.native_);
  return *this;
}

Device::Device(DeviceOptions options) {
  OPX_REQUIRE(options.ordinal == 0, DeviceError, "GPU {} of 1", options.ordinal);
  impl_ = std::make_unique<Impl>(chosen_seed(options.seed), options.memory_limit);
}

Device::~Device() {
  impl_->libraries.clear();
  try {
    impl_->queues.drain(nullptr);
  } catch (...) {  // nobody is left to hear of it
  }
}

int Device::ordinal() const noexcept { return 0; }
void Device::make_current() {}
void Device::share_memory() {}
Stream Device::stream(StreamUse use) const noexcept { return {&impl_->queues.queue(use)}; }

void* Device::allocate(std::size_t bytes, Stream stream) {
  GraphMemory* memory = impl_->graph_memory.load();
  if (memory == nullptr || !memory->serves_this_thread()) return allocate_new(bytes, stream);
  void* pointer = memory->take(bytes, stream);
  impl_->spoil(pointer, bytes, stream, "allocate");
  return pointer;
}

void* Device::allocate_new(std::size_t bytes, Stream stream) {
  const std::size_t limit = impl_->memory_limit, free = free_below(limit, impl_->memory, host::memory_free());
  void* pointer = bytes <= free ? host::take(bytes, host::Kind::kDevice) : nullptr;
  if (pointer == nullptr) throw_out_of_memory(bytes, free, limit > 0 ? limit : host::memory_total());
  impl_->memory.add(bytes);
  impl_->queues.own(pointer, bytes);
  if (GraphMemory* memory = impl_->graph_memory.load(); memory != nullptr) memory->came(pointer);
  impl_->spoil(pointer, bytes, stream, "allocate");
  return pointer;
}

void Device::deallocate(void* pointer, std::size_t bytes, Stream stream) noexcept {
  if (pointer == nullptr) return;
  GraphMemory* memory = impl_->graph_memory.load();
  if (memory != nullptr && memory->give(pointer, stream))
    return impl_->spoil(pointer, bytes, stream, "deallocate");
  if (memory != nullptr && memory->keeps(pointer, bytes, impl_->captures())) return;
  host::forget(pointer, bytes, host::Kind::kDevice);
  impl_->memory.remove(bytes);
  host::Queues* queues = &impl_->queues;
  queues->given_back(pointer);
  queues->put(queue_of(stream),
              {.kind = Operation::Kind::kRelease, .name = "deallocate", .work = [queues, pointer] {
                 queues->disown(pointer);
                 host::release(pointer);
               }});
}

// Open to the host at all times: an MPI that is given it reads and writes it there.
void* Device::allocate_shareable(std::size_t bytes) {
  impl_->refuse_in_capture("allocate_shareable");
  const std::size_t limit = impl_->memory_limit, free = free_below(limit, impl_->memory, host::memory_free());
  void* pointer = bytes <= free ? host::take(bytes, host::Kind::kDevice) : nullptr;
  if (pointer == nullptr) throw_out_of_memory(bytes, free, limit > 0 ? limit : host::memory_total());
  impl_->memory.add(bytes);
  std::memset(pointer, kGarbage, bytes);
  return pointer;
}

void Device::deallocate_shareable(void* pointer, std::size_t bytes) noexcept {
  if (pointer == nullptr) return;
  host::forget(pointer, bytes, host::Kind::kDevice);
  impl_->memory.remove(bytes);
  host::release(pointer);
}

void* Device::allocate_pinned(std::size_t bytes) {
  void* pointer = host::take(bytes, host::Kind::kPinned);
  OPX_REQUIRE(pointer != nullptr, OutOfMemory, "no page-locked memory of the host for {} bytes", bytes);
  std::memset(pointer, kGarbage, bytes);
  return pointer;
}

void Device::deallocate_pinned(void* pointer, std::size_t bytes) noexcept {
  if (pointer == nullptr) return;
  host::forget(pointer, bytes, host::Kind::kPinned);
  host::release(pointer);
}

MemoryAccount& Device::memory() noexcept { return impl_->memory; }
bool Device::is_device_memory(const void* pointer) noexcept {
  return host::lies_in(pointer, host::Kind::kDevice);
}

void Device::copy(void* to, const void* from, std::size_t bytes, Stream stream) {
  copy_2d(to, bytes, from, bytes, bytes, 1, stream);
}

void Device::copy_2d(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                     std::size_t width, std::size_t rows, Stream stream) {
  OPX_REQUIRE(width <= to_pitch && width <= from_pitch, DimensionMismatch,
              "rows of {} bytes with pitches {} and {}", width, to_pitch, from_pitch);
  if (width == 0 || rows == 0) return;
  const bool to_device = is_device_memory(to), from_device = is_device_memory(from);
  const auto bytes = static_cast<std::int64_t>(width * rows);
  if (to_device && !from_device) add(impl_->counters.bytes_to_device, bytes);
  if (!to_device && from_device) add(impl_->counters.bytes_to_host, bytes);
  const auto copy_rows = [=](const std::byte* source, std::size_t pitch) {
    for (std::size_t r = 0; r < rows; ++r)
      std::memmove(static_cast<std::byte*>(to) + r * to_pitch, source + r * pitch, width);
  };
  const auto* source = static_cast<const std::byte*>(from);
  const bool to_pageable = !to_device && !host::lies_in(to, host::Kind::kPinned);
  if (!from_device && !host::lies_in(from, host::Kind::kPinned)) {
    impl_->refuse_in_capture("a copy from memory that is not pinned");
    std::vector<std::byte> staged(width * rows);
    for (std::size_t r = 0; r < rows; ++r)
      std::memcpy(staged.data() + r * width, source + r * from_pitch, width);
    impl_->work(stream, "copy",
                [copy_rows, width, staged = std::move(staged)] { copy_rows(staged.data(), width); });
  } else {
    if (to_pageable) impl_->refuse_in_capture("a copy to memory that is not pinned");
    impl_->work(stream, "copy", [copy_rows, source, from_pitch] { copy_rows(source, from_pitch); },
                {to, from});
  }
  if (to_pageable) synchronise(stream);
}

void Device::fill_bytes(void* to, int byte, std::size_t bytes, Stream stream) {
  if (bytes > 0) impl_->work(stream, "fill_bytes", [=] { std::memset(to, byte, bytes); }, {to});
}

void Device::record(Event& event, Stream stream) {
  impl_->queues.record(queue_of(stream), state_of(event.native()));
}
void Device::wait(Stream stream, const Event& event) {
  add(impl_->counters.waits, 1);
  impl_->queues.wait(queue_of(stream), state_of(event.native()));
}
bool Device::reached(const Event& event) {
  const EventRef& state = state_of(event.native());
  return state->reached.load() >= state->recorded.load();
}
void Device::order(Stream before, Stream after) {
  Event event;
  record(event, before);
  wait(after, event);
}

void Device::wait_on_host(const Event& event) {
  impl_->refuse_in_capture("wait_on_host");
  if (reached(event)) return;
  add(impl_->counters.host_waits, 1);
  impl_->queues.drain(state_of(event.native()));
}
void Device::synchronise(Stream stream) {
  impl_->refuse_in_capture("synchronise");
  add(impl_->counters.synchronisations, 1);
  impl_->queues.drain(&queue_of(stream));
}
void Device::synchronise() {
  impl_->refuse_in_capture("synchronise");
  add(impl_->counters.synchronisations, 1);
  impl_->queues.drain(nullptr);
}

void Device::set_graph_memory(GraphMemory* memory, bool used) {
  GraphMemory* now = impl_->graph_memory.load();
  OPX_REQUIRE(!used || now == nullptr || now == memory, InvalidArgument, "another graph's memory is in use");
  if (used || now == memory) impl_->graph_memory = used ? memory : nullptr;
}

void Device::begin_capture(Stream stream, GraphMemory& memory) {
  memory.begin_capture();
  impl_->queues.begin_capture(queue_of(stream));
  impl_->capturer = std::this_thread::get_id();
  impl_->captured_memory = &memory;
}

GraphExec Device::end_capture() {
  std::shared_ptr<host::Recorded> recorded = impl_->queues.end_capture();
  impl_->capturer = std::thread::id();
  impl_->captured_memory->end_capture(true);
  return GraphExec(std::move(recorded));
}

void Device::abandon_capture() noexcept {
  if (!impl_->captures()) return;
  static_cast<void>(end_capture());
  impl_->captured_memory->end_capture(false);
}

bool Device::capturing() const noexcept { return impl_->captures(); }

void Device::launch(const GraphExec& graph, Stream stream) {
  OPX_REQUIRE(!graph.empty(), InvalidArgument, "a graph that holds nothing");
  impl_->queues.replay(*static_cast<const host::Recorded*>(graph.native()), queue_of(stream));
  add(impl_->counters.launches, 1);
}

const Counters& Device::counters() const noexcept { return impl_->counters; }
void Device::count_launch(const char* kernel) noexcept {
  impl_->last_kernel = kernel;
  if (!impl_->captures()) add(impl_->counters.launches, 1);
}
void Device::reset_counters() noexcept { impl_->counters = {}; }

std::shared_ptr<void> Device::library(std::string_view name, std::shared_ptr<void> (*make)(Device&)) {
  auto found = impl_->libraries.find(name);
  if (found == impl_->libraries.end()) found = impl_->libraries.emplace(std::string(name), make(*this)).first;
  return found->second;
}

namespace host {

void lose(Device& device) { device.impl().queues.lose(); }

void enqueue(Device& device, Stream stream, const char* name, std::function<void()> work,
             std::function<bool()> ready) {
  device.impl().queues.put(
      queue_of(stream),
      {.kind = Operation::Kind::kWork, .name = name, .work = std::move(work), .ready = std::move(ready)});
}

void enqueue_kernel(Device& device, Stream stream, KernelInfo kernel, Index blocks, int threads,
                    std::size_t dynamic_shared, std::span<const std::byte> arguments,
                    std::function<void()> body) {
  if (blocks == 0) return;
  OPX_REQUIRE(
      blocks > 0 && blocks <= std::numeric_limits<std::int32_t>::max() && threads > 0 && threads % 32 == 0 &&
          threads <= std::min(kernel.threads, kMostThreads) && dynamic_shared <= kSharedBytes,
      DeviceError, "kernel {}: cannot launch {} blocks of {} threads (of {}) with {} bytes of shared memory",
      kernel.name, blocks, threads, kernel.threads, dynamic_shared);
  device.count_launch(kernel.name);
  const Grid grid{kernel.name, blocks, threads, dynamic_shared, device.impl().queues.draw()};
  device.impl().work(
      stream, kernel.name, [grid, body = std::move(body)] { run_grid(grid, body); },
      device.capturing() ? words_of(arguments) : std::vector<const void*>{});
}

}  // namespace host

}  // namespace opx::device::gpu
