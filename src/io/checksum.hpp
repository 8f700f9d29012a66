// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Checksums: xxh3-128 for content that is ours, CRC-32 as zip and gzip define it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace opx::io {

/// Streaming xxh3-128. The hex text is the canonical (big-endian) form that xxhsum prints.
class Checksum {
 public:
  Checksum();
  Checksum(Checksum&&) noexcept;
  Checksum& operator=(Checksum&&) noexcept;
  ~Checksum();
  void add(std::span<const char> bytes);
  /// Of all bytes so far, 32 hex digits.
  [[nodiscard]] std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// xxh3-128 of a whole file.
[[nodiscard]] std::string file_checksum(const std::filesystem::path& path);

/// Continues `sum` (0 at first) over `bytes`.
[[nodiscard]] std::uint32_t crc32(std::uint32_t sum, std::span<const char> bytes) noexcept;

}  // namespace opx::io
