// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Sequential bytes from anywhere: a file, a gzip file unpacked on the fly, a member of a zip archive.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "io/file.hpp"

namespace opx::io {

class InputStream {
 public:
  virtual ~InputStream() = default;
  /// Fills `out` as far as data lasts and returns how much: less than out.size() only at the end. Throws
  /// FormatError (damaged container, with its offset) or InputError.
  [[nodiscard]] virtual std::size_t read(std::span<char> out) = 0;
  /// For messages: the path, or "archive.zip:member".
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  /// Part of the underlying file consumed, 0..1; may be asked from another thread.
  [[nodiscard]] virtual double progress() const noexcept = 0;
  /// Bytes this stream will give in all, where known beforehand.
  [[nodiscard]] virtual std::optional<std::int64_t> length() const noexcept { return std::nullopt; }
};

/// The bytes of a file range as they are.
class RangeStream final : public InputStream {
 public:
  explicit RangeStream(FileRange range) : range_(std::move(range)) {}
  std::size_t read(std::span<char> out) override;
  const std::string& name() const noexcept override { return range_.name; }
  double progress() const noexcept override;
  std::optional<std::int64_t> length() const noexcept override { return range_.length; }

 private:
  FileRange range_;
  std::atomic<std::int64_t> position_{0};
};

/// Reads ahead of its consumer in a thread of its own, a few blocks at most. An error reaches the consumer
/// after the bytes before it.
class PrefetchStream final : public InputStream {
 public:
  explicit PrefetchStream(std::unique_ptr<InputStream> source);
  ~PrefetchStream() override;
  std::size_t read(std::span<char> out) override;
  const std::string& name() const noexcept override { return source_->name(); }
  double progress() const noexcept override { return source_->progress(); }
  std::optional<std::int64_t> length() const noexcept override { return source_->length(); }

 private:
  void fill();
  bool advance();

  std::unique_ptr<InputStream> source_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<char>> ready_, spare_;
  bool finished_ = false, stop_ = false;
  std::exception_ptr error_;
  std::vector<char> current_;
  std::size_t used_ = 0;
  std::jthread thread_;
};

/// The whole of a small stream; throws FormatError beyond `limit` bytes.
[[nodiscard]] std::string read_all(InputStream& stream, std::size_t limit);

/// Unpacks on the fly what starts with gzip's magic number, passes on anything else.
[[nodiscard]] std::unique_ptr<InputStream> open_input(FileRange range);
[[nodiscard]] std::unique_ptr<InputStream> open_input(const std::filesystem::path& path);
/// The same for bytes that are a stream already (a gzip file inside a zip archive).
[[nodiscard]] std::unique_ptr<InputStream> open_input(std::unique_ptr<InputStream> stream);

}  // namespace opx::io
