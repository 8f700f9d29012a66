// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "device/gpu/graph_memory.hpp"

#include "base/error.hpp"

namespace opx::device::gpu {
namespace {

constexpr StreamUse kOthers[] = {StreamUse::kComm, StreamUse::kReduce};

}  // namespace

GraphMemory::GraphMemory(Device& device) : device_(device) {}

GraphMemory::~GraphMemory() {
  device_.set_graph_memory(this, false);
  for (const Block& block : blocks_)
    if (!block.held) device_.deallocate(block.memory, block.bytes, device_.compute());
  for (const auto& [pointer, bytes] : kept_) device_.deallocate(pointer, bytes, device_.compute());
}

GraphMemory::Use::Use(GraphMemory& memory) : memory_(memory) {
  memory.device_.set_graph_memory(&memory, true);
  memory.user_ = std::this_thread::get_id();
}

GraphMemory::Use::~Use() { memory_.user_ = std::thread::id(); }

// Streams of copies and of the batch builder are not part of it.
void GraphMemory::restart() {
  for (const StreamUse use : kOthers) device_.order(device_.stream(use), device_.compute());
  for (const StreamUse use : kOthers) device_.order(device_.compute(), device_.stream(use));
  const std::lock_guard lock(mutex_);
  for (Block& block : blocks_) block.freed_on = nullptr;
}

std::size_t GraphMemory::bytes() const {
  const std::lock_guard lock(mutex_);
  std::size_t sum = 0;
  for (const Block& block : blocks_) sum += block.bytes;
  return sum;
}

// A block that any stream may take is taken only where the stream has none of its own: then a run takes of
// these as many as the first run had to make.
void* GraphMemory::take(std::size_t bytes, Stream stream) {
  const std::lock_guard lock(mutex_);
  std::size_t best = blocks_.size();
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    if (block.held || block.bytes != bytes) continue;
    if (block.freed_on == stream.native) {
      best = i;
      break;
    }
    if (block.freed_on == nullptr && best == blocks_.size()) best = i;
  }
  if (best == blocks_.size()) {
    OPX_REQUIRE(!fixed_, DeviceError, "captured work asks for {} bytes that it did not ask for before",
                bytes);
    blocks_.push_back({device_.allocate_new(bytes, stream), bytes, nullptr, false});
  }
  blocks_[best].held = true;
  held_[blocks_[best].memory] = best;
  return blocks_[best].memory;
}

bool GraphMemory::give(void* pointer, Stream stream) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(pointer);
  if (found == held_.end()) return false;
  Block& block = blocks_[found->second];
  block.held = false;
  block.freed_on = stream.native;
  held_.erase(found);
  return true;
}

bool GraphMemory::keeps(void* pointer, std::size_t bytes, bool capturing) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (!capturing && (!captured_ || later_.erase(pointer) > 0)) return false;
    kept_.emplace_back(pointer, bytes);
  } catch (...) {  // no memory for the list: it is the graph's until the Device ends
  }
  return true;
}

void GraphMemory::came(void* pointer) {
  const std::lock_guard lock(mutex_);
  if (captured_) later_.insert(pointer);
}

void GraphMemory::begin_capture() {
  OPX_REQUIRE(serves_this_thread(), InvalidArgument, "a capture with memory that is not in use");
  restart();
  const std::lock_guard lock(mutex_);
  OPX_REQUIRE(!fixed_ && !captured_, DeviceError, "the memory of another graph");
  fixed_ = true;
}

void GraphMemory::end_capture(bool captured) noexcept {
  const std::lock_guard lock(mutex_);
  fixed_ = false;
  captured_ = captured;
}

}  // namespace opx::device::gpu
