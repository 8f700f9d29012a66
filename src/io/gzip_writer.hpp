// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Text files written through gzip.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace opx::io {

class GzipWriter {
 public:
  /// Makes or replaces `path`; level 1 (fast) to 9. Throws ResourceError.
  explicit GzipWriter(const std::filesystem::path& path, int level = 1);
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;
  ~GzipWriter();
  /// Throws ResourceError (disk full).
  void write(std::string_view text);
  /// Writes what is pending and the trailer. The destructor closes too, but cannot tell of an error.
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace opx::io
