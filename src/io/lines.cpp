// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/lines.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.hpp"

namespace opx::io {
namespace {

// Sums bytes in bytes, which compilers turn into vectors: several times as fast as std::count.
Index count_lines(const char* p, const char* end) noexcept {
  constexpr std::ptrdiff_t kBlock = 255;
  Index lines = 0;
  while (p < end) {
    const char* const stop = p + std::min(kBlock, end - p);
    std::uint8_t some = 0;
    for (; p < stop; ++p) some = static_cast<std::uint8_t>(some + (*p == '\n'));
    lines += some;
  }
  return lines;
}

// A byte order mark is no part of the text. UTF-16 would be read as garbage, line by line.
std::size_t without_mark(std::span<char> text, const std::string& name) {
  const std::string_view head(text.data(), std::min<std::size_t>(text.size(), 3));
  if (head.starts_with("\xff\xfe") || head.starts_with("\xfe\xff"))
    throw base::FormatError(name, "line 1", "is text in UTF-16; UTF-8 is read");
  if (head != "\xef\xbb\xbf") return text.size();
  std::memmove(text.data(), text.data() + head.size(), text.size() - head.size());
  return text.size() - head.size();
}

}  // namespace

LineChunks::LineChunks(std::unique_ptr<InputStream> stream, LineOptions options)
    : stream_(std::move(stream)), options_(options), thread_([this] { fill(); }) {}

LineChunks::~LineChunks() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
}

// Fills one chunk up to its last newline; false where nothing is left.
bool LineChunks::read_chunk(LineChunk& chunk) {
  std::size_t filled = tail_.size();
  std::size_t capacity = std::max(options_.chunk, filled * 2);
  chunk.bytes.resize(capacity + kTextPadding);
  std::memcpy(chunk.bytes.data(), tail_.data(), filled);
  for (;;) {
    const std::size_t before = filled;
    filled += stream_->read(std::span(chunk.bytes).subspan(filled, capacity - filled));
    if (filled < capacity) {  // the stream ended: the last line may lack its newline
      tail_.clear();
      if (filled > 0 && chunk.bytes[filled - 1] != '\n') chunk.bytes[filled++] = '\n';
      chunk.size = filled;
      break;
    }
    const auto* newline =
        static_cast<const char*>(::memrchr(chunk.bytes.data() + before, '\n', filled - before));
    if (newline != nullptr) {
      chunk.size = static_cast<std::size_t>(newline + 1 - chunk.bytes.data());
      tail_.assign(chunk.bytes.data() + chunk.size, filled - chunk.size);
      break;
    }
    if (filled > options_.longest_line)
      throw base::FormatError(name(), fmt::format("line {}", next_line_),
                              fmt::format("is longer than {} bytes", options_.longest_line));
    capacity *= 2;
    chunk.bytes.resize(capacity + kTextPadding);
  }
  if (next_line_ == 1) chunk.size = without_mark(std::span(chunk.bytes).first(chunk.size), name());
  std::fill_n(chunk.bytes.begin() + static_cast<std::ptrdiff_t>(chunk.size), kTextPadding, '\0');
  chunk.first_line = next_line_;
  chunk.lines = count_lines(chunk.begin(), chunk.end());
  next_line_ += chunk.lines;
  return chunk.size > 0;
}

LineChunk LineChunks::take_spare() {
  LineChunk chunk;
  if (!spare_.empty()) chunk = std::move(spare_.front()), spare_.pop_front();
  return chunk;
}

void LineChunks::fill() {
  try {
    for (bool more = true; more;) {
      LineChunk chunk;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stop_ || ready_.size() < options_.ahead; });
        if (stop_) return;
        chunk = take_spare();
      }
      more = read_chunk(chunk);
      const std::lock_guard lock(mutex_);
      if (more) ready_.push_back(std::move(chunk));
      finished_ = !more;
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    finished_ = true;
    changed_.notify_all();
  }
}

bool LineChunks::next(std::vector<LineChunk>& chunks, std::size_t count) {
  count = std::min(count, options_.ahead);
  std::unique_lock lock(mutex_);
  for (auto& chunk : chunks)
    if (spare_.size() < options_.ahead) spare_.push_back(std::move(chunk));
  chunks.clear();
  changed_.wait(lock, [&] { return finished_ || ready_.size() >= count; });
  if (ready_.empty() && error_) std::rethrow_exception(error_);
  while (chunks.size() < count && !ready_.empty()) {
    chunks.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
  changed_.notify_all();
  return !chunks.empty();
}

bool LineReader::next(std::string_view& text) {
  if (chunk_.empty() || at_ == chunk_.front().size) {
    if (!lines_.next(chunk_, 1)) return false;
    at_ = 0;
  }
  const std::string_view rest = chunk_.front().text().substr(at_);
  text = rest.substr(0, rest.find('\n'));
  at_ += text.size() + 1;
  ++line_;
  if (text.ends_with('\r')) text.remove_suffix(1);
  return true;
}

}  // namespace opx::io
