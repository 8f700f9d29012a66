// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Text in chunks of whole lines, read (and unpacked) by a background thread while the consumer parses: the
// chunks know the number of their first line, so threads may take one each. A byte order mark of UTF-8 is
// passed over.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/types.hpp"
#include "io/number.hpp"
#include "io/stream.hpp"

namespace opx::io {

/// Whole lines, each ended by '\n' (the last one too); kTextPadding zero bytes follow.
struct LineChunk {
  std::vector<char> bytes;
  std::size_t size = 0;  ///< of the text in `bytes`
  Index first_line = 1;  ///< number of the first line, from 1
  Index lines = 0;
  [[nodiscard]] const char* begin() const noexcept { return bytes.data(); }
  [[nodiscard]] const char* end() const noexcept { return bytes.data() + size; }
  [[nodiscard]] std::string_view text() const noexcept { return {bytes.data(), size}; }
};

struct LineOptions {
  std::size_t chunk = std::size_t{256} << 10;         ///< bytes of a chunk
  std::size_t ahead = 64;                             ///< chunks read ahead at most
  std::size_t longest_line = std::size_t{256} << 20;  ///< FormatError beyond
};

class LineChunks {
 public:
  explicit LineChunks(std::unique_ptr<InputStream> stream, LineOptions options = {});
  LineChunks(const LineChunks&) = delete;
  LineChunks& operator=(const LineChunks&) = delete;
  ~LineChunks();

  /// Replaces `chunks` (their memory is used again) by the next `count`, fewer only at the end; false where
  /// there is none. Throws what the stream threw (after the chunks before it), FormatError for an overlong
  /// line or UTF-16.
  bool next(std::vector<LineChunk>& chunks, std::size_t count);
  [[nodiscard]] const std::string& name() const noexcept { return stream_->name(); }
  [[nodiscard]] double progress() const noexcept { return stream_->progress(); }
  [[nodiscard]] const LineOptions& options() const noexcept { return options_; }

 private:
  void fill();
  LineChunk take_spare();
  bool read_chunk(LineChunk& chunk);

  std::unique_ptr<InputStream> stream_;
  LineOptions options_;
  std::string tail_;  ///< begin of the line that the last chunk did not finish
  Index next_line_ = 1;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<LineChunk> ready_, spare_;
  bool finished_ = false, stop_ = false;
  std::exception_ptr error_;
  std::jthread thread_;
};

/// One line after the other, for small files and headers.
class LineReader {
 public:
  explicit LineReader(std::unique_ptr<InputStream> stream, LineOptions options = {})
      : lines_(std::move(stream), options) {}
  /// The next line without its newline (and '\r' before it), valid until the next call; false at the end. Its
  /// number is line(). kTextPadding bytes behind it may be read.
  bool next(std::string_view& text);
  [[nodiscard]] Index line() const noexcept { return line_; }
  [[nodiscard]] const std::string& name() const noexcept { return lines_.name(); }
  [[nodiscard]] double progress() const noexcept { return lines_.progress(); }

 private:
  LineChunks lines_;
  std::vector<LineChunk> chunk_;
  std::size_t at_ = 0;
  Index line_ = 0;
};

}  // namespace opx::io
