// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// An append-only list of edges in chunks of equal length, in memory up to a limit and in a temporary file
// beyond it. An edge is one word, destination << 32 | source, and a weight where the list is weighted.
// Private to graph/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "device/buffer.hpp"
#include "graph/spill_file.hpp"

namespace opx::graph {

constexpr std::uint64_t pack_edge(std::uint32_t dst, std::uint32_t src) noexcept {
  return (static_cast<std::uint64_t>(dst) << 32) | src;
}
constexpr std::uint32_t dst_of(std::uint64_t edge) noexcept { return static_cast<std::uint32_t>(edge >> 32); }
constexpr std::uint32_t src_of(std::uint64_t edge) noexcept { return static_cast<std::uint32_t>(edge); }

struct EdgeLogOptions {
  bool weighted = false;
  Index chunk = Index{1} << 20;  ///< edges of a chunk
  std::int64_t memory = 0;       ///< bytes kept in memory before all goes to the file
  std::filesystem::path folder;  ///< of the temporary file
};

class EdgeLog {
 public:
  struct View {
    std::span<std::uint64_t> edges;
    std::span<float> weights;
  };
  /// Room for a chunk that load() reads from the file; one per thread.
  struct Scratch {
    std::vector<std::uint64_t> edges;
    std::vector<float> weights;
  };

  EdgeLog(device::Context& context, EdgeLogOptions options)
      : context_(&context), options_(std::move(options)) {}

  void append(std::uint64_t edge, float weight) {
    if (room_ == 0) grow();
    *next_edge_++ = edge;
    if (options_.weighted) *next_weight_++ = weight;
    --room_;
  }
  /// Where the next edges go, at least one: fill from the front, then advance().
  struct Room {
    std::uint64_t* edges;
    float* weights;  ///< null unless weighted
    Index size;
  };
  [[nodiscard]] Room room() {
    if (room_ == 0) grow();
    return {next_edge_, next_weight_, room_};
  }
  void advance(Index edges) noexcept {
    next_edge_ += edges;
    if (options_.weighted) next_weight_ += edges;
    room_ -= edges;
  }
  /// No more edges will come.
  void close();

  [[nodiscard]] bool weighted() const noexcept { return options_.weighted; }
  [[nodiscard]] bool in_memory() const noexcept { return !file_.has_value(); }
  [[nodiscard]] Index size() const noexcept {
    return full_ * options_.chunk + (options_.chunk - room_) * (open_ ? 1 : 0);
  }
  [[nodiscard]] Index chunk() const noexcept { return options_.chunk; }
  [[nodiscard]] Index chunks() const noexcept { return ceil_div(size(), options_.chunk); }
  /// Chunk i: a view of memory (that may be changed in place), or of `scratch` filled from the file.
  /// Thread-safe.
  [[nodiscard]] View load(Index i, Scratch& scratch) const;
  /// The memory of chunk i's edges, which are gone from the list (in memory only). Different chunks may be
  /// taken at the same time.
  [[nodiscard]] device::Buffer<std::uint64_t> take(Index i) {
    return std::move(chunks_[static_cast<std::size_t>(i)].edges);
  }

 private:
  struct Chunk {
    device::Buffer<std::uint64_t> edges;
    device::Buffer<float> weights;
  };
  [[nodiscard]] std::int64_t chunk_bytes() const noexcept {
    return options_.chunk * (options_.weighted ? 12 : 8);
  }
  void grow();
  void write(const Chunk& chunk, Index edges);
  void open_chunk(Chunk& chunk);

  device::Context* context_;
  EdgeLogOptions options_;
  std::vector<Chunk> chunks_;  // all of them, or the open one once there is a file
  std::optional<SpillFile> file_;
  Index full_ = 0;  // chunks closed
  bool open_ = false;
  Index room_ = 0;
  std::uint64_t* next_edge_ = nullptr;
  float* next_weight_ = nullptr;
};

}  // namespace opx::graph
