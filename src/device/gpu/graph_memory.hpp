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
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "device/gpu/device.hpp"

namespace opx::device::gpu {

/// Blocks that go round: one that was given back in the order of a stream serves the next request of its size
/// in the order of the same stream (after restart(): of any). Must not outlive the Device; must outlive the
/// launches of the graph. Blocks that somebody still holds when it ends become memory of the Device. Memory
/// of the Device that was there at the capture and is given back later stays until then, for the graph may
/// use it.
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
  /// The graph that was captured with it is gone: another may be.
  void forget_graph() noexcept { end_capture(false); }

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
  /// Whether the graph may use the memory, which is then kept until the end in place of given back: what was
  /// there when it was captured.
  [[nodiscard]] bool keeps(void* pointer, std::size_t bytes, bool capturing) noexcept;
  /// Memory that came after the capture is not the graph's.
  void came(void* pointer);
  /// During a capture nothing is asked of the Device; after it `captured` says whether there is a graph.
  void begin_capture();
  void end_capture(bool captured) noexcept;

  Device& device_;
  mutable std::recursive_mutex mutex_;  // the Device tells of new memory
  std::atomic<std::thread::id> user_{};
  bool fixed_ = false;     // while a capture is under way
  bool captured_ = false;  // there is a graph
  std::set<const void*> later_;
  std::vector<Block> blocks_;
  std::map<void*, std::size_t> held_;  // pointer -> index of blocks_
  std::vector<std::pair<void*, std::size_t>> kept_;
};

}  // namespace opx::device::gpu
