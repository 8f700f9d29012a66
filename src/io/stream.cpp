// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/stream.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.hpp"
#include "io/gzip.hpp"

namespace opx::io {
namespace {

constexpr std::size_t kBlock = std::size_t{256} << 10;
constexpr std::size_t kBlocksAhead = 16;

// Gives back bytes that were looked at, then the rest of the stream.
class PushedBackStream final : public InputStream {
 public:
  PushedBackStream(std::string head, std::unique_ptr<InputStream> rest)
      : head_(std::move(head)), rest_(std::move(rest)) {}
  std::size_t read(std::span<char> out) override {
    const std::size_t n = std::min(out.size(), head_.size() - used_);
    std::memcpy(out.data(), head_.data() + used_, n);
    used_ += n;
    return n == out.size() ? n : n + rest_->read(out.subspan(n));
  }
  const std::string& name() const noexcept override { return rest_->name(); }
  double progress() const noexcept override { return rest_->progress(); }
  std::optional<std::int64_t> length() const noexcept override { return rest_->length(); }

 private:
  std::string head_;
  std::size_t used_ = 0;
  std::unique_ptr<InputStream> rest_;
};

}  // namespace

std::size_t RangeStream::read(std::span<char> out) {
  const std::size_t n = range_.read_at(position_.load(std::memory_order_relaxed), out);
  position_.fetch_add(static_cast<std::int64_t>(n), std::memory_order_relaxed);
  return n;
}

double RangeStream::progress() const noexcept {
  const auto position = static_cast<double>(position_.load(std::memory_order_relaxed));
  return range_.length == 0 ? 1.0 : position / static_cast<double>(range_.length);
}

PrefetchStream::PrefetchStream(std::unique_ptr<InputStream> source)
    : source_(std::move(source)), thread_([this] { fill(); }) {}

PrefetchStream::~PrefetchStream() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
}

void PrefetchStream::fill() {
  try {
    for (;;) {
      std::vector<char> block;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stop_ || ready_.size() < kBlocksAhead; });
        if (stop_) return;
        if (!spare_.empty()) block = std::move(spare_.front()), spare_.pop_front();
      }
      block.resize(kBlock);
      const std::size_t n = source_->read(block);
      block.resize(n);
      const std::lock_guard lock(mutex_);
      if (n > 0) ready_.push_back(std::move(block));
      finished_ = n < kBlock;
      changed_.notify_all();
      if (finished_) return;
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    finished_ = true;
    changed_.notify_all();
  }
}

bool PrefetchStream::advance() {
  std::unique_lock lock(mutex_);
  if (current_.capacity() > 0) spare_.push_back(std::move(current_));
  current_.clear();
  used_ = 0;
  changed_.wait(lock, [&] { return finished_ || !ready_.empty(); });
  if (ready_.empty()) {
    if (error_) std::rethrow_exception(error_);
    return false;
  }
  current_ = std::move(ready_.front());
  ready_.pop_front();
  changed_.notify_all();
  return true;
}

std::size_t PrefetchStream::read(std::span<char> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    if (used_ == current_.size() && !advance()) break;
    const std::size_t n = std::min(out.size() - done, current_.size() - used_);
    std::memcpy(out.data() + done, current_.data() + used_, n);
    used_ += n;
    done += n;
  }
  return done;
}

std::string read_all(InputStream& stream, std::size_t limit) {
  std::string text;
  std::vector<char> block(std::min(limit + 1, kBlock));
  for (;;) {
    const std::size_t n = stream.read(block);
    text.append(block.data(), n);
    if (text.size() > limit)
      throw base::FormatError(stream.name(), "",
                              fmt::format("is longer than the {} bytes it may have", limit));
    if (n < block.size()) return text;
  }
}

std::unique_ptr<InputStream> open_input(FileRange range) {
  char magic[2] = {};
  const bool gzip = range.read_at(0, magic) == 2 && has_gzip_magic({magic, 2});
  auto stream = std::make_unique<RangeStream>(std::move(range));
  if (gzip) return std::make_unique<GzipStream>(std::move(stream));
  return stream;
}

std::unique_ptr<InputStream> open_input(const std::filesystem::path& path) {
  return open_input(FileRange::whole(path));
}

std::unique_ptr<InputStream> open_input(std::unique_ptr<InputStream> stream) {
  std::string head(2, '\0');
  head.resize(stream->read(head));
  const bool gzip = has_gzip_magic(head);
  auto whole = std::make_unique<PushedBackStream>(std::move(head), std::move(stream));
  if (gzip) return std::make_unique<GzipStream>(std::move(whole));
  return whole;
}

}  // namespace opx::io
