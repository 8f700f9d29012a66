// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The Device over the CUDA runtime.
#include "device/gpu/device.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "device/gpu/cuda/check.hpp"
#include "device/gpu/cuda/launch.hpp"
#include "device/gpu/cuda/pinned.hpp"
#include "device/gpu/graph_memory.hpp"
#include "device/gpu/out_of_memory.hpp"

namespace opx::device::gpu {
namespace {

using cuda::check;
constexpr std::size_t kSharedWithoutAsking = 48 << 10;

cudaStream_t native(Stream stream) {
  OPX_REQUIRE(stream.native != nullptr, InvalidArgument, "a Stream of no Device");
  return static_cast<cudaStream_t>(stream.native);
}

/// Made at the first record(), on the GPU of the stream; an Event knows no Device.
struct EventState {
  cudaEvent_t event = nullptr;
};
EventState& state_of(const Event& event) { return *static_cast<EventState*>(event.native()); }

enum class Where : std::uint8_t { kPageable, kPinned, kDevice };

Where where(const void* pointer) noexcept {
  cudaPointerAttributes attributes{};
  if (pointer == nullptr || cudaPointerGetAttributes(&attributes, pointer) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return Where::kPageable;
  }
  if (attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged)
    return Where::kDevice;
  return attributes.type == cudaMemoryTypeHost ? Where::kPinned : Where::kPageable;
}

void add(std::int64_t& counter, std::int64_t n) noexcept {
  std::atomic_ref(counter).fetch_add(n, std::memory_order_relaxed);
}

int attribute(cudaDeviceAttr which, int ordinal) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, ordinal), "cudaDeviceGetAttribute");
  return value;
}

std::string as_hex(const cudaUUID_t& uuid) {
  std::string text;
  for (const char c : uuid.bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

/// The calling thread's GPU is another one while it lives.
class OtherDevice {
 public:
  explicit OtherDevice(int ordinal) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    cuda::use_device(ordinal);
  }
  OtherDevice(const OtherDevice&) = delete;
  OtherDevice& operator=(const OtherDevice&) = delete;
  ~OtherDevice() { static_cast<void>(cudaSetDevice(before_)); }

 private:
  int before_ = 0;
};

}  // namespace

struct Device::Impl {
  explicit Impl(const DeviceOptions& options);
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl();

  int ordinal;
  std::size_t shared_limit = 0;
  bool debug = false;
  std::array<cudaStream_t, static_cast<std::size_t>(StreamUse::kCount)> streams{};
  cudaMemPool_t pool = nullptr;  // the GPU's own: ranks that share the GPU as threads share what is free
  cudaEvent_t order = nullptr;
  std::mutex order_mutex;
  cuda::PinnedPool pinned;
  cuda::Staging staging{pinned};
  Counters counters;
  std::size_t memory_limit;
  MemoryAccount memory;
  std::recursive_mutex libraries_mutex;
  std::map<std::string, std::shared_ptr<void>, std::less<>> libraries;
  std::atomic<const char*> last_kernel{"none"};
  std::atomic<GraphMemory*> graph_memory{nullptr};
  GraphMemory* captured_memory = nullptr;
  cudaStream_t origin = nullptr;  // of the capture
  std::atomic<std::thread::id> capturer{};

  void use() const { cuda::use_device(ordinal); }
  void checked(cudaError_t code, const char* call) const { check(code, call, last_kernel.load()); }
  [[nodiscard]] bool captures() const noexcept { return capturer.load() == std::this_thread::get_id(); }
  void refuse_in_capture(const char* what) const {
    OPX_REQUIRE(!captures(), DeviceError, "{} within a capture", what);
  }
  void forget_capture(bool captured) noexcept;
  void make_streams();
  void trim();
  [[nodiscard]] void* take(std::size_t bytes, cudaStream_t stream);
};

// Transfers go first: a product that fills the GPU would otherwise let them in when it ends.
void Device::Impl::make_streams() {
  int least = 0, greatest = 0;
  check(cudaDeviceGetStreamPriorityRange(&least, &greatest), "cudaDeviceGetStreamPriorityRange");
  for (std::size_t use = 0; use < streams.size(); ++use) {
    const auto which = static_cast<StreamUse>(use);
    const bool transfers = which == StreamUse::kComm || which == StreamUse::kReduce;
    check(cudaStreamCreateWithPriority(&streams[use], cudaStreamNonBlocking, transfers ? greatest : least),
          "cudaStreamCreateWithPriority");
  }
}

Device::Impl::Impl(const DeviceOptions& options)
    : ordinal(options.ordinal), memory_limit(options.memory_limit) {
  use();
  OPX_REQUIRE(attribute(cudaDevAttrMemoryPoolsSupported, ordinal) != 0, DeviceError,
              "GPU {} has no stream-ordered memory (cudaMallocAsync)", ordinal);
  shared_limit = static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, ordinal));
  const char* text = std::getenv("OPX_GPU_DEBUG");
  debug = text != nullptr && std::strcmp(text, "0") != 0;
  make_streams();
  check(cudaEventCreateWithFlags(&order, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  check(cudaDeviceGetDefaultMemPool(&pool, ordinal), "cudaDeviceGetDefaultMemPool");
  std::uint64_t keep = std::numeric_limits<std::uint64_t>::max();  // nothing goes back at synchronise()
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
}

// Nobody is left to hear of errors here.
Device::Impl::~Impl() {
  libraries.clear();
  static_cast<void>(cudaSetDevice(ordinal));
  for (const cudaStream_t stream : streams) {
    if (stream == nullptr) continue;
    static_cast<void>(cudaStreamSynchronize(stream));
    static_cast<void>(cudaStreamDestroy(stream));
  }
  if (order != nullptr) static_cast<void>(cudaEventDestroy(order));
  if (pool != nullptr) static_cast<void>(cudaMemPoolTrimTo(pool, 0));
}

/// What is free in the pool goes back to the GPU, after work under way has given back what it holds.
void Device::Impl::trim() {
  add(counters.synchronisations, 1);
  checked(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  checked(cudaMemPoolTrimTo(pool, 0), "cudaMemPoolTrimTo");
}

std::string_view runtime_name() noexcept { return "cuda"; }

int count() noexcept {
  int n = 0;
  if (cudaGetDeviceCount(&n) == cudaSuccess) return n;
  static_cast<void>(cudaGetLastError());
  return 0;
}

Properties properties(int ordinal) {
  OPX_REQUIRE(ordinal >= 0 && ordinal < count(), DeviceError, "GPU {} of {}", ordinal, count());
  const OtherDevice use(ordinal);
  cudaDeviceProp from{};
  check(cudaGetDeviceProperties(&from, ordinal), "cudaGetDeviceProperties");
  Properties to{.name = from.name,
                .uuid = as_hex(from.uuid),
                .ordinal = ordinal,
                .major = from.major,
                .minor = from.minor,
                .multiprocessors = from.multiProcessorCount,
                .l2_bytes = static_cast<std::size_t>(from.l2CacheSize),
                .shared_bytes_per_block = from.sharedMemPerBlockOptin};
  check(cudaMemGetInfo(&to.memory_free, &to.memory_total), "cudaMemGetInfo");
  return to;
}

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

Device::Device(DeviceOptions options) {
  const int gpus = count();
  OPX_REQUIRE(options.ordinal >= 0 && options.ordinal < gpus, DeviceError, "GPU {} of {}{}", options.ordinal,
              gpus, gpus == 0 ? ": no GPU is visible to this process (driver, CUDA_VISIBLE_DEVICES?)" : "");
  impl_ = std::make_unique<Impl>(options);
}
Device::~Device() = default;

int Device::ordinal() const noexcept { return impl_->ordinal; }
void Device::make_current() { impl_->use(); }
void Device::share_memory() {
  impl_->use();
  for (int other = 0; other < count(); ++other) {
    int can = 0;
    if (other != impl_->ordinal)
      check(cudaDeviceCanAccessPeer(&can, other, impl_->ordinal), "cudaDeviceCanAccessPeer");
    if (can == 0) continue;
    cudaMemAccessDesc access{};
    access.location = {.type = cudaMemLocationTypeDevice, .id = other};
    access.flags = cudaMemAccessFlagsProtReadWrite;
    check(cudaMemPoolSetAccess(impl_->pool, &access, 1), "cudaMemPoolSetAccess");
  }
}
Stream Device::stream(StreamUse use) const noexcept {
  return {impl_->streams[static_cast<std::size_t>(use)]};
}

/// Null where there is none, after all that can be given back was.
void* Device::Impl::take(std::size_t bytes, cudaStream_t stream) {
  void* pointer = nullptr;
  for (const bool again : {false, true}) {
    const cudaError_t code = cudaMallocAsync(&pointer, bytes, stream);
    if (code == cudaSuccess) return pointer;
    static_cast<void>(cudaGetLastError());
    if (code != cudaErrorMemoryAllocation) checked(code, "cudaMallocAsync");
    if (!again) trim();
  }
  return nullptr;
}

void* Device::allocate(std::size_t bytes, Stream stream) {
  GraphMemory* memory = impl_->graph_memory.load();
  if (memory != nullptr && memory->serves_this_thread()) return memory->take(bytes, stream);
  return allocate_new(bytes, stream);
}

void* Device::allocate_new(std::size_t bytes, Stream stream) {
  impl_->use();
  const std::size_t asked = std::max<std::size_t>(bytes, 1), limit = impl_->memory_limit;
  const bool allowed = bytes <= free_below(limit, impl_->memory, std::numeric_limits<std::size_t>::max());
  void* pointer = allowed ? impl_->take(asked, native(stream)) : nullptr;
  if (pointer == nullptr) {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    throw_out_of_memory(bytes, free_below(limit, impl_->memory, free), limit > 0 ? limit : total);
  }
  impl_->memory.add(bytes);
  if (GraphMemory* memory = impl_->graph_memory.load(); memory != nullptr) memory->came(pointer);
  return pointer;
}

void Device::deallocate(void* pointer, std::size_t bytes, Stream stream) noexcept {
  if (pointer == nullptr) return;
  GraphMemory* memory = impl_->graph_memory.load();
  if (memory != nullptr && memory->give(pointer, stream)) return;
  if (memory != nullptr && memory->keeps(pointer, bytes, impl_->captures())) return;
  impl_->memory.remove(bytes);
  static_cast<void>(cudaSetDevice(impl_->ordinal));
  // A lost device says so at the next call that may throw.
  static_cast<void>(cudaFreeAsync(pointer, static_cast<cudaStream_t>(stream.native)));
}

MemoryAccount& Device::memory() noexcept { return impl_->memory; }

void* Device::allocate_pinned(std::size_t bytes) {
  impl_->use();
  return impl_->pinned.take(bytes);
}
void Device::deallocate_pinned(void* pointer, std::size_t bytes) noexcept {
  impl_->pinned.give(pointer, bytes);
}

bool Device::is_device_memory(const void* pointer) noexcept { return where(pointer) == Where::kDevice; }

void Device::copy(void* to, const void* from, std::size_t bytes, Stream stream) {
  copy_2d(to, bytes, from, bytes, bytes, 1, stream);
}

void Device::copy_2d(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                     std::size_t width, std::size_t rows, Stream stream) {
  OPX_REQUIRE(width <= to_pitch && width <= from_pitch, DimensionMismatch,
              "rows of {} bytes with pitches {} and {}", width, to_pitch, from_pitch);
  if (width == 0 || rows == 0) return;
  if (rows > 1 && width == to_pitch && width == from_pitch) {
    width *= rows;
    rows = 1;
  }
  impl_->use();
  const Where target = where(to), source = where(from);
  const auto bytes = static_cast<std::int64_t>(width * rows);
  if (target == Where::kDevice && source != Where::kDevice) add(impl_->counters.bytes_to_device, bytes);
  if (target != Where::kDevice && source == Where::kDevice) add(impl_->counters.bytes_to_host, bytes);
  const bool pageable = target == Where::kPageable || source == Where::kPageable;
  if (pageable) impl_->refuse_in_capture("a copy from or to memory that is not pinned");
  if (target == Where::kDevice && source == Where::kPageable) {
    impl_->staging.copy(to, to_pitch, from, from_pitch, width, rows, native(stream));
    return;
  }
  if (rows == 1) {
    impl_->checked(cudaMemcpyAsync(to, from, width, cudaMemcpyDefault, native(stream)), "cudaMemcpyAsync");
  } else {
    impl_->checked(
        cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, width, rows, cudaMemcpyDefault, native(stream)),
        "cudaMemcpy2DAsync");
  }
  if (pageable) synchronise(stream);
}

void Device::fill_bytes(void* to, int byte, std::size_t bytes, Stream stream) {
  if (bytes == 0) return;
  impl_->use();
  impl_->checked(cudaMemsetAsync(to, byte, bytes, native(stream)), "cudaMemsetAsync");
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

void Device::set_graph_memory(GraphMemory* memory, bool used) {
  GraphMemory* now = impl_->graph_memory.load();
  OPX_REQUIRE(!used || now == nullptr || now == memory, InvalidArgument, "another graph's memory is in use");
  if (used || now == memory) impl_->graph_memory = used ? memory : nullptr;
}

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

const Counters& Device::counters() const noexcept { return impl_->counters; }
void Device::count_launch(const char* kernel) noexcept {
  impl_->last_kernel = kernel;
  if (!impl_->captures()) add(impl_->counters.launches, 1);
}
void Device::reset_counters() noexcept { impl_->counters = {}; }

std::shared_ptr<void> Device::library(std::string_view name, std::shared_ptr<void> (*make)(Device&)) {
  const std::lock_guard lock(impl_->libraries_mutex);
  const auto found = impl_->libraries.find(name);
  if (found != impl_->libraries.end()) return found->second;
  impl_->use();
  std::shared_ptr<void> made = make(*this);
  return impl_->libraries.emplace(std::string(name), std::move(made)).first->second;
}

namespace cuda {

void before_launch(Device& device, const Launch& launch) {
  const Device::Impl& impl = device.impl();
  OPX_REQUIRE(
      launch.blocks > 0 && launch.blocks <= std::numeric_limits<std::int32_t>::max() && launch.threads > 0 &&
          launch.threads % 32 == 0 && launch.threads <= launch.most_threads &&
          launch.dynamic_shared <= impl.shared_limit,
      DeviceError,
      "kernel {}: cannot launch {} blocks of {} threads (of {}) with {} bytes of shared memory (of {})",
      launch.kernel, launch.blocks, launch.threads, launch.most_threads, launch.dynamic_shared,
      impl.shared_limit);
  impl.use();
  if (launch.dynamic_shared > kSharedWithoutAsking) {
    check(cudaFuncSetAttribute(launch.function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(launch.dynamic_shared)),
          "cudaFuncSetAttribute", launch.kernel);
  }
  device.count_launch(launch.kernel);
}

void after_launch(Device& device, Stream stream, const char* kernel) {
  check(cudaGetLastError(), "launch", kernel);
  if (!device.impl().debug || device.capturing()) return;
  check(cudaStreamSynchronize(static_cast<cudaStream_t>(stream.native)), "cudaStreamSynchronize", kernel);
}

}  // namespace cuda

}  // namespace opx::device::gpu
