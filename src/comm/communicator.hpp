// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Communicators: one interface over threads (ranks of one process) and MPI. A Communicator is one rank's
// handle on a group of ranks along one axis. Every member calls the same collectives in the same order. All
// calls are collective over the group unless said otherwise; counts are 64-bit; sums run in rank order, so
// results are bit-identical from run to run and between backends.
//
// Worked example, group of 3 on axis X, rank r holds 2 floats {r, 10 r}:
//   all_gather      -> every rank {0,0, 1,10, 2,20}
//   reduce_scatter of {0..5} + r on every rank (sum) -> rank r gets elements 2r, 2r+1 of the sum {3, 6, 9,
//   12, 15, 18} all_to_all of {a_r0, a_r1, a_r2} -> rank r gets {a_0r, a_1r, a_2r}
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bfloat16.hpp"
#include "base/error.hpp"
#include "base/function_ref.hpp"
#include "base/types.hpp"
#include "device/memory_account.hpp"

namespace opx::device::gpu {
struct Stream;
}

namespace opx::comm {

/// Group axis of a communicator: the three tensor axes, the data axis, all tensor axes, everything.
enum class CommAxis : std::uint8_t { kX, kY, kZ, kD, kTensor, kWorld, kCount };
/// What a message is for; traffic is counted by (axis, purpose).
enum class CommPurpose : std::uint8_t {
  kSetup,
  kForward,
  kBackward,
  kGradient,
  kNorm,
  kLoss,
  kMetric,
  kCheckpoint,
  kOther,
  kCount
};
[[nodiscard]] std::string_view name(CommAxis axis) noexcept;
[[nodiscard]] std::string_view name(CommPurpose purpose) noexcept;

/// Bytes that this rank received from other ranks and calls made, by axis and purpose. The definition per
/// collective, group of g, buffers of b bytes: all_gather (g-1) send bytes; reduce_scatter (g-1) receive
/// bytes; all_to_all the sum of the others' parts; all_reduce 2 b (g-1) / g (reduce_scatter + all_gather,
/// rounded up per element); broadcast b on every rank but the root; barrier and split 0. Not thread-safe: one
/// per rank.
class Traffic {
 public:
  struct Cell {
    std::int64_t bytes = 0, calls = 0;
  };
  void add(CommAxis axis, CommPurpose purpose, std::int64_t bytes) noexcept {
    Cell& c = cell(axis, purpose);
    c.bytes += bytes;
    ++c.calls;
  }
  [[nodiscard]] const Cell& at(CommAxis axis, CommPurpose purpose) const noexcept {
    return cells_[static_cast<std::size_t>(axis)][static_cast<std::size_t>(purpose)];
  }
  [[nodiscard]] std::int64_t bytes(CommAxis axis) const noexcept;
  [[nodiscard]] std::int64_t bytes(CommPurpose purpose) const noexcept;
  [[nodiscard]] std::int64_t total_bytes() const noexcept;
  void reset() noexcept { cells_ = {}; }
  /// What was counted since `before`; and the same once more.
  [[nodiscard]] Traffic since(const Traffic& before) const noexcept;
  Traffic& operator+=(const Traffic& more) noexcept;

 private:
  Cell& cell(CommAxis axis, CommPurpose purpose) noexcept {
    return cells_[static_cast<std::size_t>(axis)][static_cast<std::size_t>(purpose)];
  }
  std::array<std::array<Cell, static_cast<std::size_t>(CommPurpose::kCount)>,
             static_cast<std::size_t>(CommAxis::kCount)>
      cells_{};
};

enum class DataType : std::uint8_t { kByte, kInt32, kInt64, kFloat, kDouble, kBfloat16 };
[[nodiscard]] std::size_t size_of(DataType type) noexcept;
enum class ReduceOp : std::uint8_t { kSum, kMax, kMin };

template <class T>
constexpr DataType data_type() {
  if constexpr (std::is_same_v<T, float>)
    return DataType::kFloat;
  else if constexpr (std::is_same_v<T, double>)
    return DataType::kDouble;
  else if constexpr (std::is_same_v<T, bfloat16>)
    return DataType::kBfloat16;
  else if constexpr (std::is_integral_v<T> && sizeof(T) == 4)
    return DataType::kInt32;
  else if constexpr (std::is_integral_v<T> && sizeof(T) == 8)
    return DataType::kInt64;
  else {
    static_assert(sizeof(T) == 1, "no data type");
    return DataType::kByte;
  }
}

/// A collective under way. wait() returns when this rank's buffers may be used again, and throws CommError
/// when the collective failed. The destructor waits too (and swallows), but during the unwinding of an
/// exception it gives the operation up, which ends the job: a rank that fails must not wait for the others.
/// Requests of one rank may be waited for in any order: every wait advances all of them. Move-only; one
/// thread of a rank at a time.
class Request {
 public:
  class Impl {
   public:
    virtual ~Impl() = default;
    virtual void wait() = 0;
    /// Gives the operation up while an exception unwinds: returns soon, and after it no rank touches the
    /// buffers.
    virtual void cancel() noexcept = 0;
    /// See Request::hand_on(). False: there is nothing but to wait().
    virtual bool hand_on() { return false; }
  };
  Request() = default;
  explicit Request(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
  Request(Request&&) noexcept = default;
  Request& operator=(Request&& other) noexcept;
  ~Request();
  void wait();
  /// Lets collectives that this rank starts from now on read what this one writes, and nothing else: where
  /// collectives are put on streams (Communicator::on_streams) neither the host nor the compute stream waits;
  /// wait() is still due. Elsewhere it is wait().
  void hand_on();

 private:
  std::unique_ptr<Impl> impl_;
};

class Communicator {
 public:
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int size() const noexcept = 0;
  [[nodiscard]] virtual CommAxis axis() const noexcept = 0;
  [[nodiscard]] virtual Traffic&
  traffic() noexcept = 0;  ///< this rank's counters, shared with its sub-communicators
  /// Memory of the host that collectives of this rank stage in, its sub-communicators' too; part of it is
  /// kept between calls. Null where none is needed, or a Context counts it.
  [[nodiscard]] virtual const device::MemoryAccount* staging() const noexcept { return nullptr; }
  [[nodiscard]] virtual std::string_view backend()
      const noexcept = 0;  ///< "threads", "mpi", "self", "nccl", "mpi+gpu"

  /// Whether collectives on memory of a GPU are put on streams of the Device, so that neither starting one
  /// nor waiting for it blocks the host (NCCL).
  [[nodiscard]] virtual bool on_streams() const noexcept { return false; }
  /// Where work that was captured before, collectives among it, is launched on `stream`: CommError where the
  /// job has failed; and the watchdog waits for the stream, under the name `what`. Nothing without streams.
  virtual void check_streams() {}
  virtual void watch_stream(const device::gpu::Stream& stream, std::string what) {
    static_cast<void>(stream), static_cast<void>(what);
  }

  /// Ranks of one color (>= 0) form a group, ordered by (key, rank); never null. Sets the axis of the new
  /// group, which must not outlive the job.
  [[nodiscard]] virtual std::unique_ptr<Communicator> split(int color, int key, CommAxis axis) = 0;

  virtual void barrier() = 0;

  /// Tells every rank of the whole job that this one failed: their current or next collective throws
  /// CommError with `message`. Not collective; safe from any thread of this rank. Under MPI this is for
  /// errors that the caller could not agree on first; it ends the job.
  virtual void abort(const std::string& message) noexcept = 0;
  /// CommOptions::check_collectives of the job.
  [[nodiscard]] virtual bool checks_collectives() const noexcept { return false; }
  /// Whether the job has failed on some rank, as far as this process has heard. From any thread.
  [[nodiscard]] virtual bool failed() const noexcept { return false; }

  // Typed forms. Spans of non-const data are outputs. In debug builds sizes are checked across ranks.
  template <class T>
  void broadcast(std::span<T> data, int root, CommPurpose p) {
    broadcast_bytes(std::as_writable_bytes(data), root, p);
  }
  template <class T>
  Request iall_reduce(std::span<T> data, ReduceOp op, CommPurpose p) {
    return iall_reduce_raw(data.data(), static_cast<Index>(data.size()), data_type<T>(), op, p);
  }
  template <class T>
  void all_reduce(std::span<T> data, ReduceOp op, CommPurpose p) {
    iall_reduce(data, op, p).wait();
  }
  /// receive.size() == send.size() * size(); in place when send is the own part of receive.
  template <class T>
  Request iall_gather(std::span<const T> send, std::span<T> receive, CommPurpose p) {
    OPX_REQUIRE(receive.size() == send.size() * static_cast<std::size_t>(size()), DimensionMismatch,
                "all_gather of {} from each of {} ranks into {}", send.size(), size(), receive.size());
    return iall_gather_bytes(std::as_bytes(send), std::as_writable_bytes(receive), p);
  }
  template <class T>
  void all_gather(std::span<const T> send, std::span<T> receive, CommPurpose p) {
    iall_gather(send, receive, p).wait();
  }
  /// counts[i] elements come from rank i, one after the other; the same on every rank.
  template <class T>
  void all_gather_v(std::span<const T> send, std::span<T> receive, std::span<const Index> counts,
                    CommPurpose p) {
    all_gather_v_bytes(std::as_bytes(send), std::as_writable_bytes(receive), scaled(counts, sizeof(T)), p);
  }
  /// send.size() == receive.size() * size(): rank r gets the sum of everyone's part r, added in rank order.
  /// bf16 is summed in fp32 and rounded once.
  template <class T>
  Request ireduce_scatter(std::span<const T> send, std::span<T> receive, ReduceOp op, CommPurpose p) {
    OPX_REQUIRE(send.size() == receive.size() * static_cast<std::size_t>(size()), DimensionMismatch,
                "reduce_scatter of {} to {} on each of {} ranks", send.size(), receive.size(), size());
    return ireduce_scatter_raw(send.data(), receive.data(), static_cast<Index>(receive.size()),
                               data_type<T>(), op, p);
  }
  template <class T>
  void reduce_scatter(std::span<const T> send, std::span<T> receive, ReduceOp op, CommPurpose p) {
    ireduce_scatter(send, receive, op, p).wait();
  }
  /// Part i of send (send_counts[i] elements, one after the other) goes to rank i; parts arrive in rank
  /// order.
  template <class T>
  Request iall_to_all_v(std::span<const T> send, std::span<const Index> send_counts, std::span<T> receive,
                        std::span<const Index> receive_counts, CommPurpose p) {
    return iall_to_all_v_bytes(std::as_bytes(send), scaled(send_counts, sizeof(T)),
                               std::as_writable_bytes(receive), scaled(receive_counts, sizeof(T)), p);
  }
  template <class T>
  void all_to_all_v(std::span<const T> send, std::span<const Index> send_counts, std::span<T> receive,
                    std::span<const Index> receive_counts, CommPurpose p) {
    iall_to_all_v(send, send_counts, receive, receive_counts, p).wait();
  }

  // What a backend implements. Byte vectors are moved in so that a request can keep them.
  virtual void broadcast_bytes(std::span<std::byte> data, int root, CommPurpose p) = 0;
  virtual Request iall_reduce_raw(void* data, Index count, DataType type, ReduceOp op, CommPurpose p) = 0;
  virtual Request iall_gather_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                    CommPurpose p) = 0;
  virtual void all_gather_v_bytes(std::span<const std::byte> send, std::span<std::byte> receive,
                                  std::vector<Index> counts, CommPurpose p) = 0;
  virtual Request ireduce_scatter_raw(const void* send, void* receive, Index count, DataType type,
                                      ReduceOp op, CommPurpose p) = 0;
  virtual Request iall_to_all_v_bytes(std::span<const std::byte> send, std::vector<Index> send_counts,
                                      std::span<std::byte> receive, std::vector<Index> receive_counts,
                                      CommPurpose p) = 0;

 private:
  static std::vector<Index> scaled(std::span<const Index> counts, std::size_t bytes) {
    std::vector<Index> out(counts.begin(), counts.end());
    for (Index& c : out) c *= static_cast<Index>(bytes);
    return out;
  }
};

/// Whether MPI is given pointers to memory of GPUs: where it says that it takes them, always, or never.
enum class GpuAwareMpi : std::uint8_t { kAuto, kOn, kOff };

/// Shared by all ranks of a job.
struct CommOptions {
  /// How long a wait may take before the watchdog ends the job with a CommError that names rank, axis,
  /// collective and the ranks that have not arrived.
  double timeout_seconds = 600;
  /// Where the library has to end the process because ranks cannot be reached any more: called once with the
  /// one message, to print it. MPI: MPI_Abort follows. Threads: called when a rank has not come back
  /// `timeout_seconds` after the job failed; it may end the process, else run_threads() goes on waiting.
  std::function<void(std::string_view)> fatal{};
  /// MPI: bytes of one message at most (the standard counts in `int`); longer ones travel in pieces. Tests
  /// make it small.
  Index chunk_bytes = 0x40000000;
  /// MPI: barrier and all_gather of groups up to this size are direct messages, so that the watchdog can name
  /// the ranks that are missing; larger groups use the library's collective.
  int direct_ranks = 64;
  /// MPI and NCCL: ranks compare what they call before every collective; where operation, count, type,
  /// operator, root or purpose differ all throw CommError that names the ranks and both calls. Costs a small
  /// exchange a call and the overlap of non-blocking ones; under MPI always on where the library is built
  /// without NDEBUG. Threads always compare.
  bool check_collectives = false;
  /// MPI: for collectives on memory of GPUs (comm/device_communicator.hpp).
  GpuAwareMpi gpu_aware_mpi = GpuAwareMpi::kAuto;
};

/// The group of one: collectives copy. The Traffic counts zero bytes.
[[nodiscard]] std::unique_ptr<Communicator> self_communicator();

/// Collective agreement before the next collective: runs `work` on every rank; if it throws on any, all ranks
/// throw the error of the lowest failing rank, with "rank R: " before the message where the group has more
/// than one. (What can fail on one rank only, as reading or memory, goes through here: design.md section 7.)
/// `work` itself calls no collective and leaves no request behind. Counts as CommPurpose::kOther.
void agree(Communicator& group, base::FunctionRef<void()> work);

}  // namespace opx::comm
