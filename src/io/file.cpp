// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"

namespace opx::io {
namespace {

// pread until `out` is full or the file ends; -1 with errno set on failure.
std::int64_t read_fully(int descriptor, std::int64_t offset, std::span<char> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(descriptor, out.data() + done, out.size() - done,
                              static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return static_cast<std::int64_t>(done);
}

}  // namespace

std::shared_ptr<const File> File::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  OPX_REQUIRE(descriptor >= 0, InputError, "cannot open '{}': {}", path.string(), std::strerror(errno));
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    throw base::InputError(fmt::format("'{}' is no regular file", path.string()));
  }
  ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);  // advice only
  return std::shared_ptr<const File>(new File(descriptor, status.st_size, path.string()));
}

std::shared_ptr<const File> File::adopt(int descriptor, std::int64_t size, std::string name) {
  return std::shared_ptr<const File>(new File(descriptor, size, std::move(name)));
}

File::~File() { ::close(descriptor_); }

std::size_t File::read_at(std::int64_t offset, std::span<char> out) const {
  const std::int64_t n = read_fully(descriptor_, offset, out);
  OPX_REQUIRE(n >= 0, InputError, "cannot read '{}' at offset {}: {}", name_, offset, std::strerror(errno));
  return static_cast<std::size_t>(n);
}

FileRange FileRange::whole(const std::filesystem::path& path) {
  auto file = File::open(path);
  const std::int64_t length = file->size();
  return {std::move(file), 0, length, path.string()};
}

std::size_t FileRange::read_at(std::int64_t position, std::span<char> out) const {
  const std::int64_t left = std::max<std::int64_t>(length - position, 0);
  const auto n = std::min<std::int64_t>(left, static_cast<std::int64_t>(out.size()));
  return file->read_at(offset + position, out.first(static_cast<std::size_t>(n)));
}

MappedFile::MappedFile(const FileRange& range) {
  if (range.length == 0) return;
  const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  const std::int64_t begin = range.offset / page * page;
  mapped_ = static_cast<std::size_t>(range.offset - begin + range.length);
  base_ = ::mmap(nullptr, mapped_, PROT_READ, MAP_PRIVATE, range.file->descriptor(), begin);
  if (base_ == MAP_FAILED) {
    base_ = nullptr;
    throw base::ResourceError(fmt::format("cannot map '{}': {}", range.name, std::strerror(errno)));
  }
  bytes_ = {static_cast<const char*>(base_) + (range.offset - begin), static_cast<std::size_t>(range.length)};
}

MappedFile::~MappedFile() {
  if (base_ != nullptr) ::munmap(base_, mapped_);
}

void MappedFile::swap(MappedFile& other) noexcept {
  std::swap(base_, other.base_);
  std::swap(mapped_, other.mapped_);
  std::swap(bytes_, other.bytes_);
}

TemporaryFile::TemporaryFile(const std::filesystem::path& folder) : folder_(folder.string()) {
  std::string name = (folder / "orthoplex-XXXXXX").string();
  descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);
  OPX_REQUIRE(descriptor_ >= 0, ResourceError, "cannot make a temporary file in '{}': {}", folder_,
              std::strerror(errno));
  ::unlink(name.c_str());
}

TemporaryFile::~TemporaryFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void TemporaryFile::append(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(size_));
    if (n < 0 && errno == EINTR) continue;
    OPX_REQUIRE(n > 0, ResourceError, "cannot write {} bytes to a temporary file in '{}': {}", bytes.size(),
                folder_, std::strerror(errno));
    size_ += n;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

FileRange TemporaryFile::release(std::string name) {
  auto file = File::adopt(std::exchange(descriptor_, -1), size_, name);
  return {std::move(file), 0, size_, std::move(name)};
}

void TemporaryFile::read_at(std::int64_t offset, std::span<char> out) const {
  const std::int64_t n = read_fully(descriptor_, offset, out);
  OPX_REQUIRE(n == static_cast<std::int64_t>(out.size()), ResourceError,
              "cannot read {} bytes at offset {} of a temporary file in '{}'", out.size(), offset, folder_);
}

}  // namespace opx::io
