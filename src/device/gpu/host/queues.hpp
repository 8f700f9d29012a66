// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Streams of the host runtime: queues of closures that run lazily, from a random stream that may go on, when
// somebody synchronises or at random moments of later calls, so that a missing event or wait shows as an
// answer that moves with the seed. Thread-safe; work runs on the thread that happens to push it on: one that
// waits for its own streams in vain also pushes those of the process's other Devices, as GPUs go on without
// their hosts.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "device/gpu/device.hpp"

namespace opx::device::gpu::host {

struct EventState {
  std::atomic<std::uint64_t> recorded{0}, reached{0};
  std::uint64_t capture = 0;  // that the last record was part of; 0: none
};
using EventRef = std::shared_ptr<EventState>;

struct Operation {
  enum class Kind : std::uint8_t { kWork, kMemory, kRelease, kRecord, kWait };
  Kind kind;
  std::string name;
  std::function<void()> work{};   // kMemory runs even after an error, kRelease even on a lost device
  std::function<bool()> ready{};  // kWork: may it run? Empty: yes
  EventRef event{};
  std::uint64_t ticket = 0;
  std::vector<const void*> touches{};  // addresses that captured work reads or writes, as far as they show
};

struct Queue {
  std::deque<Operation> operations;
  bool captured = false;  // takes part in the capture under way
};

/// What a capture recorded, in the order of the calls.
struct Recorded {
  struct Entry {
    std::size_t queue;
    Operation operation;
  };
  struct Allocation {
    void* pointer;
    std::uint64_t serial;
    std::string user;  // the first operation that touches it
  };
  std::vector<Entry> entries;
  std::vector<Allocation> memory;
};

class Queues {
 public:
  explicit Queues(std::uint64_t seed);
  Queues(const Queues&) = delete;
  Queues& operator=(const Queues&) = delete;
  ~Queues();

  Queue& queue(StreamUse use) noexcept { return queues_[static_cast<std::size_t>(use)]; }
  void put(Queue& queue, Operation operation);
  void record(Queue& queue, const EventRef& event);
  void wait(Queue& queue, const EventRef& event);
  /// Runs work until `queue` (null: every queue) is empty, then throws the first error there was.
  void drain(Queue* queue);
  /// The same until `event` has been reached as it was recorded last.
  void drain(const EventRef& event);
  /// From now on all but giving memory back throws DeviceError, as with a GPU that has fallen off the bus.
  void lose();
  /// A number for a grid's order.
  std::uint64_t draw();

  /// Device::begin_capture and its kin (capture.cpp).
  void begin_capture(Queue& origin);
  [[nodiscard]] std::shared_ptr<Recorded> end_capture();
  void replay(const Recorded& recorded, Queue& queue);
  [[nodiscard]] bool capturing() const noexcept { return recording_ != nullptr; }

  /// Memory that work may touch and others may not.
  void own(void* pointer, std::size_t bytes);
  void given_back(void* pointer);  // by the host; the work on it may be still to come
  void disown(void* pointer);      // from work that runs

 private:
  void drain_until(const std::function<bool()>& done);
  void require_alive() const;
  struct Held {
    std::size_t bytes;
    std::uint64_t serial;
  };
  [[nodiscard]] Queue& private_queue(std::size_t of) noexcept { return queues_[kUses + of]; }
  void keep(Queue& queue, Operation operation);    // of a capture
  void join(Queue& queue, const EventRef& event);  // a queue that waits for an event of the capture
  void step_at_random();
  bool step();  // one operation of a random stream that may go on; false where none may
  void execute(Operation& operation);
  void open() noexcept;
  void shut() noexcept;
  [[nodiscard]] bool blocked(const Queue& queue) const;
  [[nodiscard]] bool help_others();  // some work of another Device, where there is any that may go on

  std::recursive_mutex mutex_;
  std::uint64_t random_;
  static constexpr auto kUses = static_cast<std::size_t>(StreamUse::kCount);
  std::array<Queue, 2 * kUses> queues_;  // the streams, and one of a graph's own for each
  std::map<void*, std::size_t> owned_;
  std::map<const void*, Held> alive_;  // allocated and not given back
  std::uint64_t serials_ = 0, captures_ = 0;
  std::shared_ptr<Recorded> recording_;
  std::exception_ptr error_;
  bool lost_ = false;
};

}  // namespace opx::device::gpu::host
