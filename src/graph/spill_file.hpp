// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A nameless temporary file (it vanishes with the process, whatever ends it) for data that do not fit the
// budget. Private to graph/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace opx::graph {

class SpillFile {
 public:
  /// Throws ResourceError if `folder` is not writable.
  explicit SpillFile(const std::filesystem::path& folder);
  SpillFile(SpillFile&& other) noexcept;
  SpillFile& operator=(SpillFile&& other) noexcept;
  SpillFile(const SpillFile&) = delete;
  SpillFile& operator=(const SpillFile&) = delete;
  ~SpillFile();
  /// Throws ResourceError (disk full).
  void append(const void* data, std::size_t bytes);
  void read(std::int64_t offset, void* out, std::size_t bytes) const;
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }

 private:
  std::filesystem::path folder_;
  int fd_ = -1;
  std::int64_t size_ = 0;
};

}  // namespace opx::graph
