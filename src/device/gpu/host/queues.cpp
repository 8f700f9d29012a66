// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/gpu/host/queues.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "device/gpu/host/memory.hpp"
#include "device/gpu/host/scheduler.hpp"

namespace opx::device::gpu::host {
namespace {
constexpr auto kPatience = std::chrono::seconds(30);  // for events of other Devices' threads
constexpr auto kNap = std::chrono::microseconds(200);
constexpr int kHelp = 16;  // operations at a time

// Of all Devices of the process: GPUs that wait for each other go on whatever their hosts do.
struct Registry {
  std::mutex mutex;
  std::set<Queues*> queues;
};

Registry& registry() {
  static Registry all;
  return all;
}

}  // namespace

Queues::Queues(std::uint64_t seed) : random_(seed) {
  const std::lock_guard lock(registry().mutex);
  registry().queues.insert(this);
}

Queues::~Queues() {
  const std::lock_guard lock(registry().mutex);
  registry().queues.erase(this);
}

std::uint64_t Queues::draw() {
  const std::lock_guard lock(mutex_);
  return next_random(random_);
}

void Queues::put(Queue& queue, Operation operation) {
  const std::lock_guard lock(mutex_);
  if (lost_ && operation.kind == Operation::Kind::kRelease) return operation.work();
  if (lost_ && operation.kind == Operation::Kind::kMemory) return;
  require_alive();
  if (queue.captured) return keep(queue, std::move(operation));
  queue.operations.push_back(std::move(operation));
  step_at_random();
}

void Queues::require_alive() const { OPX_REQUIRE(!lost_, DeviceError, "the GPU is lost"); }

void Queues::lose() {
  const std::lock_guard lock(mutex_);
  lost_ = true;
  for (Queue& queue : queues_) {
    for (Operation& operation : queue.operations)
      if (operation.kind == Operation::Kind::kRelease) operation.work();
    queue.operations.clear();
  }
}

void Queues::step_at_random() {
  if (next_random(random_) % 4 != 0) return;
  open();
  for (std::uint64_t steps = next_random(random_) % 4; steps > 0 && step(); --steps) {
  }
  shut();
}

void Queues::record(Queue& queue, const EventRef& event) {
  event->capture = queue.captured ? captures_ : 0;
  put(queue, {.kind = Operation::Kind::kRecord, .name = {}, .event = event, .ticket = ++event->recorded});
}

void Queues::wait(Queue& queue, const EventRef& event) {
  join(queue, event);
  put(queue, {.kind = Operation::Kind::kWait, .name = {}, .event = event, .ticket = event->recorded.load()});
}

void Queues::drain(Queue* queue) {
  drain_until([&] {
    if (queue != nullptr) return queue->operations.empty();
    return std::all_of(queues_.begin(), queues_.end(), [](const Queue& q) { return q.operations.empty(); });
  });
}

void Queues::drain(const EventRef& event) {
  const std::uint64_t wanted = event->recorded.load();
  drain_until([&] { return event->reached.load() >= wanted; });
}

void Queues::drain_until(const std::function<bool()>& done) {
  auto moved = std::chrono::steady_clock::now();
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      require_alive();
      open();
      bool any = false;
      while (!done() && step()) any = true;
      shut();
      if (done()) {
        if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
        return;
      }
      if (any) moved = std::chrono::steady_clock::now();
    }
    if (help_others()) continue;
    OPX_REQUIRE(std::chrono::steady_clock::now() - moved < kPatience, DeviceError,
                "streams wait for events that nobody reaches");
    std::this_thread::sleep_for(kNap);
  }
}

bool Queues::help_others() {
  const std::lock_guard all(registry().mutex);
  bool any = false;
  for (Queues* other : registry().queues) {
    if (other == this) continue;
    const std::unique_lock lock(other->mutex_, std::try_to_lock);
    if (!lock.owns_lock()) continue;
    other->open();
    for (int steps = 0; steps < kHelp && other->step(); ++steps) any = true;
    other->shut();
  }
  return any;
}

bool Queues::blocked(const Queue& queue) const {
  const Operation& first = queue.operations.front();
  if (first.kind == Operation::Kind::kWait) return first.event->reached.load() < first.ticket;
  return first.ready && !error_ && !first.ready();
}

bool Queues::step() {
  const std::size_t n = queues_.size(), first = next_random(random_) % n;
  for (std::size_t i = 0; i < n; ++i) {
    Queue& queue = queues_[(first + i) % n];
    if (queue.operations.empty() || blocked(queue)) continue;
    Operation operation = std::move(queue.operations.front());
    queue.operations.pop_front();
    execute(operation);
    return true;
  }
  return false;
}

void Queues::execute(Operation& operation) {
  if (operation.kind == Operation::Kind::kRecord) {
    operation.event->reached = std::max(operation.event->reached.load(), operation.ticket);
    return;
  }
  if (operation.kind == Operation::Kind::kWait) return;
  if (operation.kind == Operation::Kind::kWork && error_) return;
  try {
    operation.work();
  } catch (const base::Error&) {
    error_ = std::current_exception();
  } catch (const std::exception& e) {
    error_ = std::make_exception_ptr(base::DeviceError(fmt::format("{}: {}", operation.name, e.what())));
  }
}

void Queues::own(void* pointer, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  owned_.emplace(pointer, bytes);
  alive_[pointer] = {bytes, ++serials_};
  forbid(pointer, bytes);
}

void Queues::given_back(void* pointer) {
  const std::lock_guard lock(mutex_);
  alive_.erase(pointer);
}

void Queues::disown(void* pointer) { owned_.erase(pointer); }

void Queues::open() noexcept {
  for (const auto& [pointer, bytes] : owned_) permit(pointer, bytes);
}

void Queues::shut() noexcept {
  for (const auto& [pointer, bytes] : owned_) forbid(pointer, bytes);
}

}  // namespace opx::device::gpu::host
