// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/edge_reader.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>

#include "base/error.hpp"

namespace opx::graph {
namespace {

constexpr std::size_t kAhead = 2;  // full batches that may wait
constexpr Index kMostVertices = std::numeric_limits<std::int32_t>::max();

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

void count(std::vector<std::uint32_t>& counts, std::size_t id) {
  std::uint32_t& c = counts[id];
  c += c != std::numeric_limits<std::uint32_t>::max();
}

// Checks a batch's ids and makes room to count the largest of them.
void check(const EdgeBatch& batch, std::optional<Index> vertices, const std::string& name, ReadEdges& out) {
  OPX_REQUIRE(batch.src.size() == batch.dst.size() &&
                  (batch.weight.empty() || batch.weight.size() == batch.src.size()),
              InternalError, "{}: a batch of {} sources, {} destinations and {} weights", name,
              batch.src.size(), batch.dst.size(), batch.weight.size());
  if (batch.src.empty()) return;
  const auto [low_s, high_s] = std::minmax_element(batch.src.begin(), batch.src.end());
  const auto [low_d, high_d] = std::minmax_element(batch.dst.begin(), batch.dst.end());
  const Index low = std::min(*low_s, *low_d), high = std::max(*high_s, *high_d);
  const Index limit = vertices.value_or(kMostVertices);
  if (low < 0 || high >= limit)
    throw base::FormatError(name, "",
                            fmt::format("vertex id {} is not in [0, {})", low < 0 ? low : high, limit));
  if (high >= out.vertices) {
    out.vertices = high + 1;
    const auto room =
        static_cast<std::size_t>(std::min(limit, std::max(out.vertices, out.vertices + out.vertices / 2)));
    if (out.in.size() < static_cast<std::size_t>(out.vertices)) out.in.resize(room), out.out.resize(room);
  }
}

}  // namespace

ReadEdges read_all_edges(device::Context& context, EdgeSource& source, std::optional<Index> vertices,
                         const std::string& name, const ReadOptions& options) {
  OPX_REQUIRE(vertices.value_or(0) <= kMostVertices, InvalidArgument,
              "{}: {} vertices; at most {} can be served", name, vertices.value_or(0), kMostVertices);
  ReadEdges out;
  out.vertices = vertices.value_or(0);
  out.in.resize(static_cast<std::size_t>(out.vertices)),
      out.out.resize(static_cast<std::size_t>(out.vertices));
  EdgeBatch batch;
  ReadAhead ahead(source);
  while (ahead.next(batch)) {
    check(batch, vertices, name, out);
    const bool weighted = !batch.weight.empty() || options.force_weights;
    if (!out.log)
      out.log = std::make_unique<EdgeLog>(
          context, EdgeLogOptions{weighted, options.chunk, options.memory, options.folder});
    OPX_REQUIRE(weighted == out.log->weighted() || batch.src.empty(), InternalError,
                "{}: only some batches have weights", name);
    for (std::size_t i = 0; i < batch.src.size(); ++i) {
      const auto s = static_cast<std::uint32_t>(batch.src[i]), d = static_cast<std::uint32_t>(batch.dst[i]);
      out.log->append(pack_edge(d, s), batch.weight.empty() ? 1.0F : batch.weight[i]);
      count(out.in, d);
      count(out.out, s);
    }
    if (options.progress) options.progress(source.progress());
  }
  if (!out.log)
    out.log = std::make_unique<EdgeLog>(
        context, EdgeLogOptions{options.force_weights, options.chunk, options.memory, options.folder});
  out.log->close();
  out.in.resize(static_cast<std::size_t>(out.vertices)),
      out.out.resize(static_cast<std::size_t>(out.vertices));
  return out;
}

}  // namespace opx::graph
