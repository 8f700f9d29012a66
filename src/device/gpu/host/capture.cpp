// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Captures of the host runtime: operations are kept in place of queued, and a launch queues them again, on
// queues of the graph's own, behind what the stream holds and with events of their own.
#include <utility>

#include "base/error.hpp"
#include "device/gpu/host/queues.hpp"

namespace opx::device::gpu::host {

void Queues::begin_capture(Queue& origin) {
  const std::lock_guard lock(mutex_);
  OPX_REQUIRE(!recording_, DeviceError, "a capture is under way");
  ++captures_;
  recording_ = std::make_shared<Recorded>();
  origin.captured = true;
}

std::shared_ptr<Recorded> Queues::end_capture() {
  const std::lock_guard lock(mutex_);
  OPX_REQUIRE(recording_ != nullptr, DeviceError, "no capture is under way");
  for (Queue& queue : queues_) queue.captured = false;
  return std::exchange(recording_, nullptr);
}

void Queues::join(Queue& queue, const EventRef& event) {
  const std::lock_guard lock(mutex_);
  if (event->recorded.load() == 0) return;  // nothing to wait for
  if (recording_ && event->capture == captures_) {
    queue.captured = true;
    return;
  }
  OPX_REQUIRE(event->capture == 0, DeviceError, "a wait for an event that was recorded in a capture");
  OPX_REQUIRE(!queue.captured, DeviceError,
              "captured work waits for an event that was recorded outside of the capture");
}

void Queues::keep(Queue& queue, Operation operation) {
  for (const void* address : operation.touches) {
    auto after = alive_.upper_bound(address);
    if (after == alive_.begin()) continue;
    --after;
    const auto offset = static_cast<const std::byte*>(address) - static_cast<const std::byte*>(after->first);
    if (offset >= static_cast<std::ptrdiff_t>(after->second.bytes)) continue;
    recording_->memory.push_back({const_cast<void*>(after->first), after->second.serial, operation.name});
  }
  recording_->entries.push_back({static_cast<std::size_t>(&queue - queues_.data()), std::move(operation)});
}

void Queues::replay(const Recorded& recorded, Queue& queue) {
  const std::lock_guard lock(mutex_);
  for (const Recorded::Allocation& memory : recorded.memory) {
    const auto found = alive_.find(memory.pointer);
    OPX_REQUIRE(found != alive_.end() && found->second.serial == memory.serial, DeviceError,
                "a graph's {} uses memory that was given back after the capture", memory.user);
  }
  const auto event = [] { return std::make_shared<EventState>(); };
  const EventRef start = event();
  record(queue, start);
  std::array<bool, kUses> used{};
  std::map<std::pair<const EventState*, std::uint64_t>, EventRef> events;
  for (const Recorded::Entry& entry : recorded.entries) {
    Queue& own = private_queue(entry.queue);
    if (!std::exchange(used[entry.queue], true)) wait(own, start);
    const Operation& from = entry.operation;
    if (from.event == nullptr) {
      put(own, from);
      continue;
    }
    EventRef& to = events[{from.event.get(), from.ticket}];
    if (!to) to = event();
    from.kind == Operation::Kind::kRecord ? record(own, to) : wait(own, to);
  }
  for (std::size_t use = 0; use < kUses; ++use) {
    if (!used[use]) continue;
    const EventRef end = event();
    record(private_queue(use), end);
    wait(queue, end);
  }
}

}  // namespace opx::device::gpu::host
