// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A folder or a zip archive of one, read alike: files by relative path with '/'.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.hpp"
#include "io/stream.hpp"

namespace opx::io {

class FileTree {
 public:
  virtual ~FileTree() = default;

  [[nodiscard]] virtual bool has_file(const std::string& path) const = 0;
  /// Names (not paths) of the folders directly below `path` ("" for the top), sorted.
  [[nodiscard]] virtual std::vector<std::string> folders(const std::string& path) const = 0;
  /// The bytes of a file, not unpacked if it is a gzip file. Throws InputError where it is missing.
  [[nodiscard]] virtual std::unique_ptr<InputStream> open_raw(const std::string& path) const = 0;
  /// Where a file's bytes lie on disk (for an npz). A compressed member of an archive is unpacked, with its
  /// CRC checked, into a nameless file as large as itself in `temporary_folder` (empty: the system's); throws
  /// ResourceError where it does not fit there.
  [[nodiscard]] virtual FileRange range(const std::string& path,
                                        const std::filesystem::path& temporary_folder) const = 0;
  [[nodiscard]] virtual std::int64_t bytes(const std::string& path) const = 0;
  /// "folder/path" or "archive.zip:path", for messages.
  [[nodiscard]] virtual std::string describe(const std::string& path) const = 0;
  /// The name of the folder, or of the archive's top folder, or of the archive without ".zip".
  [[nodiscard]] virtual std::string name() const = 0;

  /// open_raw, unpacked where it is a gzip file.
  [[nodiscard]] std::unique_ptr<InputStream> open(const std::string& path) const {
    return open_input(open_raw(path));
  }
};

/// A folder, or a .zip file. A single top folder that holds everything in an archive is
/// stepped into. Throws InputError or FormatError.
[[nodiscard]] std::unique_ptr<FileTree> open_tree(const std::filesystem::path& path);

}  // namespace opx::io
