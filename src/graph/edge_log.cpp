// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/edge_log.hpp"

#include <algorithm>

namespace opx::graph {

void EdgeLog::write(const Chunk& chunk, Index edges) {
  const auto n = static_cast<std::size_t>(edges);
  file_->append(chunk.edges.data(), n * sizeof(std::uint64_t));
  if (options_.weighted) file_->append(chunk.weights.data(), n * sizeof(float));
}

void EdgeLog::open_chunk(Chunk& chunk) {
  next_edge_ = chunk.edges.data();
  next_weight_ = chunk.weights.data();
  room_ = options_.chunk;
  open_ = true;
}

void EdgeLog::grow() {
  if (open_) {
    ++full_;
    open_ = false;
    if (file_) write(chunks_.front(), options_.chunk);
  }
  if (!file_ && (full_ + 1) * chunk_bytes() > options_.memory) {
    file_.emplace(options_.folder);
    for (auto& c : chunks_) {
      write(c, options_.chunk);
      c = Chunk{};
    }
    chunks_.clear();
  }
  if (!file_ || chunks_.empty())
    chunks_.push_back({{*context_, options_.chunk}, {*context_, options_.weighted ? options_.chunk : 0}});
  open_chunk(chunks_.back());
}

void EdgeLog::close() {
  if (!file_ || !open_) return;
  write(chunks_.front(), options_.chunk - room_);
  chunks_.front() = Chunk{};
}

EdgeLog::View EdgeLog::load(Index i, Scratch& scratch) const {
  const auto n = static_cast<std::size_t>(std::min(options_.chunk, size() - i * options_.chunk));
  const std::size_t w = options_.weighted ? n : 0;
  if (in_memory()) {
    const Chunk& c = chunks_[static_cast<std::size_t>(i)];
    return {{const_cast<std::uint64_t*>(c.edges.data()), n}, {const_cast<float*>(c.weights.data()), w}};
  }
  scratch.edges.resize(n);
  scratch.weights.resize(w);
  file_->read(i * chunk_bytes(), scratch.edges.data(), n * sizeof(std::uint64_t));
  if (w > 0)
    file_->read(i * chunk_bytes() + static_cast<Index>(n * sizeof(std::uint64_t)), scratch.weights.data(),
                w * sizeof(float));
  return {scratch.edges, scratch.weights};
}

}  // namespace opx::graph
