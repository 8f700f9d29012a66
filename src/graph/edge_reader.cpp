// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/edge_reader.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <span>
#include <thread>

#include "base/error.hpp"

namespace opx::graph {
namespace {

constexpr std::size_t kAhead = 2;  // full batches that may wait

// Runs a source in a thread of its own and hands its batches over in order; emptied batches go back to be
// filled again.
class ReadAhead {
 public:
  explicit ReadAhead(EdgeSource& source) : source_(source), thread_([this] { produce(); }) {}
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;
  ~ReadAhead() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  // Gives `batch` back and replaces it by the next; false at the end.
  bool next(EdgeBatch& batch) {
    std::unique_lock lock(mutex_);
    if (batch.src.capacity() > 0) empty_.push_back(std::move(batch));
    changed_.wait(lock, [this] { return !full_.empty() || done_; });
    if (full_.empty()) {
      if (error_) std::rethrow_exception(error_);
      return false;
    }
    batch = std::move(full_.front());
    full_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return true;
  }

 private:
  void produce() noexcept {
    try {
      EdgeBatch batch;
      while (source_.next(batch)) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return full_.size() < kAhead || stop_; });
        if (stop_) return;
        full_.push_back(std::move(batch));
        batch = {};
        if (!empty_.empty()) {
          batch = std::move(empty_.back());
          empty_.pop_back();
        }
        lock.unlock();
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      error_ = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
  }

  EdgeSource& source_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<EdgeBatch> full_, empty_;
  bool stop_ = false, done_ = false;
  std::exception_ptr error_;
  std::thread thread_;  // last: starts when all else is there
};

void count(std::uint32_t& c) noexcept { c += c != std::numeric_limits<std::uint32_t>::max(); }

// The largest id; a negative one is larger than all.
std::uint64_t largest(std::span<const Index> ids) {
  std::uint64_t most = 0;
  for (const Index id : ids) most = std::max(most, static_cast<std::uint64_t>(id));
  return most;
}

// Checks a batch's ids and makes room to count the largest of them.
void check(const EdgeBatch& batch, std::optional<Index> vertices, const std::string& name, bool in_degrees,
           ReadEdges& out) {
  OPX_REQUIRE(batch.src.size() == batch.dst.size() &&
                  (batch.weight.empty() || batch.weight.size() == batch.src.size()),
              InternalError, "{}: a batch of {} sources, {} destinations and {} weights", name,
              batch.src.size(), batch.dst.size(), batch.weight.size());
  if (batch.src.empty()) return;
  const auto high = static_cast<Index>(std::max(largest(batch.src), largest(batch.dst)));
  const Index limit = vertices.value_or(kMostVertices);
  if (high < 0 || high >= limit)
    throw base::FormatError(name, "", fmt::format("vertex id {} is not in [0, {})", high, limit));
  if (high >= out.vertices) {
    out.vertices = high + 1;
    const auto room =
        static_cast<std::size_t>(std::min(limit, std::max(out.vertices, out.vertices + out.vertices / 2)));
    if (out.ends.size() < static_cast<std::size_t>(out.vertices)) {
      out.ends.resize(room);
      if (in_degrees) out.in.resize(room);
    }
  }
}

// Logs edges [begin, begin + n) of a batch and counts their ends.
void take(const EdgeBatch& batch, std::size_t begin, std::size_t n, const EdgeLog::Room& room,
          ReadEdges& out) {
  const Index* const src = batch.src.data() + begin;
  const Index* const dst = batch.dst.data() + begin;
  std::uint32_t* const ends = out.ends.data();
  for (std::size_t i = 0; i < n; ++i) {
    const auto s = static_cast<std::uint32_t>(src[i]), d = static_cast<std::uint32_t>(dst[i]);
    room.edges[i] = pack_edge(d, s);
    count(ends[d]);
    count(ends[s]);
  }
  if (!out.in.empty())
    for (std::size_t i = 0; i < n; ++i) count(out.in[static_cast<std::size_t>(dst[i])]);
  if (room.weights == nullptr) return;
  if (batch.weight.empty())
    std::fill_n(room.weights, n, 1.0F);
  else
    std::copy_n(batch.weight.data() + begin, n, room.weights);
}

}  // namespace

ReadEdges read_all_edges(device::Context& context, EdgeSource& source, std::optional<Index> vertices,
                         const std::string& name, const ReadOptions& options) {
  OPX_REQUIRE(vertices.value_or(0) <= kMostVertices, InputError,
              "'{}' has {} vertices; at most {} can be served", name, vertices.value_or(0), kMostVertices);
  ReadEdges out;
  out.vertices = vertices.value_or(0);
  const auto resize = [&] {
    out.ends.resize(static_cast<std::size_t>(out.vertices));
    if (options.in_degrees) out.in.resize(static_cast<std::size_t>(out.vertices));
  };
  resize();
  EdgeBatch batch;
  ReadAhead ahead(source);
  while (ahead.next(batch)) {
    check(batch, vertices, name, options.in_degrees, out);
    const bool weighted = !batch.weight.empty() || options.force_weights;
    if (!out.log)
      out.log = std::make_unique<EdgeLog>(
          context, EdgeLogOptions{weighted, options.chunk, options.memory, options.folder});
    OPX_REQUIRE(weighted == out.log->weighted() || batch.src.empty(), InternalError,
                "{}: only some batches have weights", name);
    for (std::size_t at = 0; at < batch.src.size();) {
      const EdgeLog::Room room = out.log->room();
      const std::size_t n = std::min(batch.src.size() - at, static_cast<std::size_t>(room.size));
      take(batch, at, n, room, out);
      out.log->advance(static_cast<Index>(n));
      at += n;
    }
    if (options.progress) options.progress(source.progress());
  }
  if (!out.log)
    out.log = std::make_unique<EdgeLog>(
        context, EdgeLogOptions{options.force_weights, options.chunk, options.memory, options.folder});
  out.log->close();
  resize();
  return out;
}

}  // namespace opx::graph
