// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One GPU as one rank sees it: streams, events, memory, copies, counters. No vendor header: what needs one is
// behind api.hpp. A build has one runtime behind it, chosen at configure time: CUDA (OPX_WITH_CUDA), `host`
// (OPX_WITH_GPU_HOST: kernels on the CPU, for tests), or none (stub/gpu.cpp: count() is 0, the rest throws
// NotCompiled).
//
// Rules: there is no default stream, and nothing here synchronises but synchronise() and copies from or to
// memory that is not pinned; both are counted. Work and memory of a Device belong to the thread of its rank;
// another thread (a batch builder) may use a stream of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/timer.hpp"
#include "base/types.hpp"
#include "device/memory_account.hpp"

namespace opx::device::gpu {

/// "cuda", "host", or "none".
[[nodiscard]] std::string_view runtime_name() noexcept;
/// GPUs that this process sees (host: 1); 0 where there is none or no driver.
[[nodiscard]] int count() noexcept;

/// Shows what is timed to NVIDIA's profilers (NVTX ranges); null in builds without CUDA.
[[nodiscard]] const base::RangeListener* profiler_ranges() noexcept;

struct Properties {
  std::string name;                               ///< "NVIDIA H200"
  std::string uuid;                               ///< of the GPU (or its part), the same in every process
  int ordinal = 0, major = 0, minor = 0;          ///< compute capability
  int multiprocessors = 0;                        ///< their number
  std::size_t memory_total = 0, memory_free = 0;  ///< bytes, when asked
  std::size_t l2_bytes = 0, shared_bytes_per_block = 0;
};
[[nodiscard]] Properties properties(int ordinal);

/// A queue of work that runs in order. A value: copies name the same queue, which the Device owns.
struct Stream {
  void* native = nullptr;
};

/// The queues of a Device by use: what the model computes; what NCCL moves; sums of what it brought, so that
/// the next transfer need not wait for them; copies; batch construction.
enum class StreamUse : std::uint8_t { kCompute, kComm, kReduce, kCopy, kSample, kCount };

/// A point in a stream's order. Owns its native event.
class Event {
 public:
  Event();
  ~Event();
  Event(Event&& other) noexcept : native_(other.native_) { other.native_ = nullptr; }
  Event& operator=(Event&& other) noexcept;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  [[nodiscard]] void* native() const noexcept { return native_; }

 private:
  void* native_ = nullptr;
};

class GraphMemory;

/// Captured work that is launched as a whole (a CUDA graph). Must not outlive its Device, nor the memory it
/// was captured with.
class GraphExec {
 public:
  GraphExec() = default;
  explicit GraphExec(std::shared_ptr<void> native) : native_(std::move(native)) {}
  [[nodiscard]] void* native() const noexcept { return native_.get(); }
  [[nodiscard]] bool empty() const noexcept { return native_ == nullptr; }

 private:
  std::shared_ptr<void> native_;
};

/// What a run costs beside kernels; a step of mini-batch mode is to leave `synchronisations` alone.
struct Counters {
  std::int64_t launches = 0, synchronisations = 0;  ///< launches: of kernels, and of graphs as a whole
  std::int64_t waits = 0;  ///< of streams for events: wait() and order(); the host goes on
  std::int64_t bytes_to_device = 0, bytes_to_host = 0;
  std::int64_t host_waits = 0;  ///< wait_on_host() that had to wait
};

struct DeviceOptions {
  int ordinal = 0;
  /// host runtime: seed of the order of threads between barriers and of the order of streams. 0: from the
  /// environment's OPX_GPU_HOST_SEED, else 1. Others ignore it.
  std::uint64_t seed = 0;
  /// Bytes that allocate() hands out at most; 0: what there is. (host runtime: of 16 GiB for all Devices, or
  /// of the environment's OPX_GPU_HOST_MEMORY, "64MiB".)
  std::size_t memory_limit = 0;
};

/// Errors: DeviceError with the call, the runtime's own text, and the last kernel's name; OutOfMemory with
/// what was asked for and what was free (Buffers add what it was for). A kernel's fault shows at the next
/// synchronise().
class Device {
 public:
  explicit Device(DeviceOptions options = {});
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] int ordinal() const noexcept;
  /// Makes this GPU the calling thread's, for calls of libraries; all other members do so themselves.
  void make_current();
  /// Lets the other GPUs that this process sees read and write memory of this Device where the hardware can
  /// (ranks as threads: NCCL reads their buffers directly).
  void share_memory();
  [[nodiscard]] Stream stream(StreamUse use) const noexcept;
  [[nodiscard]] Stream compute() const noexcept { return stream(StreamUse::kCompute); }

  /// Memory of the device, 256-byte aligned, uninitialised, in the order of `stream` (a stream-ordered pool):
  /// usable by work put on the stream afterwards; given back after the work put on it before.
  [[nodiscard]] void* allocate(std::size_t bytes, Stream stream);
  void deallocate(void* pointer, std::size_t bytes, Stream stream) noexcept;
  /// Memory of the device outside of the pool and of any stream's order, which other processes can map: what
  /// MPI may be given (CUDA's IPC refuses the pool's). Both block, so keep it between uses; whoever gives it
  /// back has waited for the work on it.
  [[nodiscard]] void* allocate_shareable(std::size_t bytes);
  void deallocate_shareable(void* pointer, std::size_t bytes) noexcept;
  /// Page-locked memory of the host, for copies that do not block.
  [[nodiscard]] void* allocate_pinned(std::size_t bytes);
  void deallocate_pinned(void* pointer, std::size_t bytes) noexcept;
  /// What allocate() has handed out: what the runtime and its libraries take for themselves, and what the
  /// pool keeps, is not in it.
  [[nodiscard]] MemoryAccount& memory() noexcept;
  /// Whether `pointer` lies in memory of a device (host runtime: of any Device of this process).
  [[nodiscard]] static bool is_device_memory(const void* pointer) noexcept;

  /// Puts a copy on the stream; the direction follows from the pointers. With host memory that is not pinned
  /// the call returns when that memory may be used again (and counts as a synchronisation, from device to
  /// host).
  void copy(void* to, const void* from, std::size_t bytes, Stream stream);
  /// `rows` rows of `width` bytes between pitches, otherwise as above.
  void copy_2d(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, std::size_t width,
               std::size_t rows, Stream stream);
  void fill_bytes(void* to, int byte, std::size_t bytes, Stream stream);

  void record(Event& event, Stream stream);
  /// What is put on `stream` from now on runs after `event`.
  void wait(Stream stream, const Event& event);
  /// `after` runs what follows only when all that `before` holds now is done.
  void order(Stream before, Stream after);
  /// Whether what was put before the last record() of `event` is done. Never blocks; from any thread.
  [[nodiscard]] static bool reached(const Event& event);
  /// Blocks the calling thread until what was put before the last record() of `event` is done: for threads
  /// that work ahead, and results that come a step late. Counted by itself.
  void wait_on_host(const Event& event);
  /// Blocks the calling thread until the stream, or all streams, are empty; throws what went wrong on them.
  void synchronise(Stream stream);
  void synchronise();

  /// From now on what is put on `stream`, and on streams that wait for an event of it, is recorded and not
  /// run, until end_capture() on the same thread; other streams run as ever. What is recorded is run by
  /// launch() as often as one likes, with the addresses and arguments of the capture. So memory that it
  /// allocates comes from `memory` (which is in use, and has served the same work before); it may copy
  /// between the device and pinned memory, which is read when the graph runs; it may wait neither for events
  /// of before nor let the host wait: both are a DeviceError. One capture at a time.
  void begin_capture(Stream stream, GraphMemory& memory);
  /// Streams that took part are joined. Throws DeviceError where the runtime refuses what was recorded.
  [[nodiscard]] GraphExec end_capture();
  /// After an error: what was recorded is forgotten.
  void abandon_capture() noexcept;
  /// Whether the calling thread captures.
  [[nodiscard]] bool capturing() const noexcept;
  /// Puts the whole work on `stream`: one launch.
  void launch(const GraphExec& graph, Stream stream);

  [[nodiscard]] const Counters& counters() const noexcept;
  void count_launch(const char* kernel) noexcept;  ///< by launch()
  void reset_counters() noexcept;

  /// Handles of libraries, kept by name: made once by `make`, ended by their shared_ptr's deleter before the
  /// streams. Private to the .cu and .cpp files of gpu backends ("cublasLt", "cusparse", tuner tables).
  [[nodiscard]] std::shared_ptr<void> library(std::string_view name, std::shared_ptr<void> (*make)(Device&));

  struct Impl;
  [[nodiscard]] Impl& impl() noexcept { return *impl_; }

 private:
  friend class GraphMemory;
  [[nodiscard]] void* allocate_new(std::size_t bytes, Stream stream);  // of the pool, whatever is in use
  /// The memory in use; not `used`: it ends.
  void set_graph_memory(GraphMemory* memory, bool used);
  std::unique_ptr<Impl> impl_;
};

}  // namespace opx::device::gpu
