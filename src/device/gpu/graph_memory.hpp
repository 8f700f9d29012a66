// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory of work that is captured into a graph. A graph keeps addresses: what it allocated when it was
// captured must be its own whenever it is launched. So captured work takes memory from here, and nothing is
// asked of the Device meanwhile. The work is run once or more under use() first, which makes the blocks;
// the same requests in the same order then find them.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "device/gpu/device.hpp"

namespace opx::device::gpu {

/// Blocks that go round: one that was given back in the order of a stream serves the next request of its size
/// in the order of the same stream (after restart(): of any). Must not outlive the Device; must outlive the
/// launches of the graph. Blocks that somebody still holds when it ends become memory of the Device.
class GraphMemory {
 public:
  explicit GraphMemory(Device& device);
  ~GraphMemory();
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;

  /// While it lives, what the calling thread allocates comes from the memory.
  class Use {
   public:
    explicit Use(GraphMemory& memory);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    GraphMemory& memory_;
  };

  /// The work begins again: the compute stream waits for the others, and they for it. Blocks made so far and
  /// not held serve every stream.
  void restart();
  /// Bytes of all blocks; the same before and after a run: the next one will ask for nothing new.
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend class Device;
  struct Block {
    void* memory;
    std::size_t bytes;
    const void* freed_on;  // a stream; null: any
    bool held;
  };
  [[nodiscard]] bool serves_this_thread() const noexcept {
    return user_.load() == std::this_thread::get_id();
  }
  [[nodiscard]] void* take(std::size_t bytes, Stream stream);
  /// False where it is none of its blocks.
  [[nodiscard]] bool give(void* pointer, Stream stream) noexcept;
  /// Memory of the Device that captured work gave back: the graph may use it until the end.
  void keep(void* pointer, std::size_t bytes) noexcept;
  /// During a capture nothing is asked of the Device.
  void fix(bool fixed) noexcept;

  Device& device_;
  mutable std::mutex mutex_;
  std::atomic<std::thread::id> user_{};
  bool fixed_ = false;  // while a capture is under way
  std::vector<Block> blocks_;
  std::map<void*, std::size_t> held_;  // pointer -> index of blocks_
  std::vector<std::pair<void*, std::size_t>> kept_;
};

}  // namespace opx::device::gpu
