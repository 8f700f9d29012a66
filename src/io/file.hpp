// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Files opened for reading (positioned reads, safe from several threads), ranges of them, and read-only
// mappings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace opx::io {

/// A regular file open for reading. All reads name their offset, so threads may share it.
class File {
 public:
  /// Throws InputError where the file is missing, is no regular file or may not be read.
  [[nodiscard]] static std::shared_ptr<const File> open(const std::filesystem::path& path);
  /// Takes an open descriptor of a file of `size` bytes.
  [[nodiscard]] static std::shared_ptr<const File> adopt(int descriptor, std::int64_t size, std::string name);
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File();

  /// Reads up to out.size() bytes at `offset`; less only at the end of the file. Throws InputError with the
  /// reason.
  [[nodiscard]] std::size_t read_at(std::int64_t offset, std::span<char> out) const;
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  File(int descriptor, std::int64_t size, std::string name)
      : descriptor_(descriptor), size_(size), name_(std::move(name)) {}
  int descriptor_;
  std::int64_t size_;
  std::string name_;
};

/// Bytes [offset, offset + length) of a file: a whole file, or a stored member of an archive.
struct FileRange {
  std::shared_ptr<const File> file;
  std::int64_t offset = 0, length = 0;
  std::string name;  ///< for messages: the path, or "archive.zip:member"

  [[nodiscard]] static FileRange whole(const std::filesystem::path& path);
  /// Reads up to out.size() bytes at `position` from the range's begin; less only at its end.
  [[nodiscard]] std::size_t read_at(std::int64_t position, std::span<char> out) const;
};

/// A file range mapped read-only. A file that is cut short while mapped ends the process: use it for own
/// files only.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const FileRange& range);
  MappedFile(MappedFile&& other) noexcept { swap(other); }
  MappedFile& operator=(MappedFile&& other) noexcept {
    MappedFile(std::move(other)).swap(*this);
    return *this;
  }
  ~MappedFile();
  void swap(MappedFile& other) noexcept;
  [[nodiscard]] std::span<const char> bytes() const noexcept { return bytes_; }

 private:
  void* base_ = nullptr;
  std::size_t mapped_ = 0;
  std::span<const char> bytes_;
};

/// An unnamed file in `folder` that vanishes when closed: where data must be turned around and may not fit
/// memory. Throws ResourceError (unwritable folder, disk full).
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& folder);
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();
  void append(std::span<const char> bytes);
  /// Reads exactly out.size() bytes at `offset`.
  void read_at(std::int64_t offset, std::span<char> out) const;
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  /// What was written, as a file for reading that vanishes with its last user; nothing may be appended any
  /// more.
  [[nodiscard]] FileRange release(std::string name);

 private:
  std::string folder_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

}  // namespace opx::io
