// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading zip and zip64 archives by their central directory: stored and deflate members as streams with their
// CRC checked, never a whole member in memory. Written out here rather than taken from libzip because two
// members (or one member twice) are read at once from several threads, ISA-L unpacks them, and a stored
// member is a file range that can be an archive again (an npz inside a zip). Format: PKWARE APPNOTE 6.3.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/stream.hpp"

namespace opx::io {

struct ZipMember {
  std::string name;
  std::uint16_t method = 0;  ///< 0 stored, 8 deflate
  std::uint16_t flags = 0;
  std::uint32_t crc = 0;
  std::int64_t packed = 0, size = 0;  ///< bytes in the archive, bytes unpacked
  std::int64_t header = 0;            ///< offset of the local header
};

class ZipArchive {
 public:
  /// Throws FormatError where the central directory is missing or damaged, or the archive spans several
  /// disks.
  explicit ZipArchive(FileRange range);

  [[nodiscard]] const std::vector<ZipMember>& members() const noexcept { return members_; }
  /// The member of that name, or null.
  [[nodiscard]] const ZipMember* find(std::string_view name) const noexcept;
  /// Unpacks on the fly; the CRC and the size are checked when the last byte is read. Throws FormatError for
  /// encrypted members and other methods. The archive need not outlive the stream.
  [[nodiscard]] std::unique_ptr<InputStream> open(const ZipMember& member) const;
  /// Where a stored member's bytes lie (its CRC is not checked); FormatError for a compressed one.
  [[nodiscard]] FileRange stored_range(const ZipMember& member) const;
  [[nodiscard]] const std::string& name() const noexcept { return range_.name; }

 private:
  [[nodiscard]] FileRange packed_range(const ZipMember& member) const;
  FileRange range_;
  std::vector<ZipMember> members_;
};

}  // namespace opx::io
