// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/spill_file.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.hpp"

namespace opx::graph {

SpillFile::SpillFile(const std::filesystem::path& folder) : folder_(folder.empty() ? "." : folder) {
  std::string name = (folder_ / ".opx-spill-XXXXXX").string();
  fd_ = ::mkostemp(name.data(), O_CLOEXEC);
  OPX_REQUIRE(fd_ >= 0, ResourceError, "no temporary file can be made in '{}': {}", folder_.string(),
              std::strerror(errno));
  ::unlink(name.c_str());
}

SpillFile::SpillFile(SpillFile&& other) noexcept
    : folder_(std::move(other.folder_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

SpillFile& SpillFile::operator=(SpillFile&& other) noexcept {
  std::swap(folder_, other.folder_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

SpillFile::~SpillFile() {
  if (fd_ >= 0) ::close(fd_);
}

void SpillFile::append(const void* data, std::size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::pwrite(fd_, from, bytes, size_);
    if (n < 0 && errno == EINTR) continue;
    OPX_REQUIRE(n > 0, ResourceError, "temporary file in '{}' cannot be written at {} bytes: {}",
                folder_.string(), size_, std::strerror(n < 0 ? errno : ENOSPC));
    from += n, bytes -= static_cast<std::size_t>(n), size_ += n;
  }
}

void SpillFile::read(std::int64_t offset, void* out, std::size_t bytes) const {
  auto* to = static_cast<char*>(out);
  while (bytes > 0) {
    const ssize_t n = ::pread(fd_, to, bytes, offset);
    if (n < 0 && errno == EINTR) continue;
    OPX_REQUIRE(n > 0, ResourceError, "temporary file in '{}' cannot be read at {} bytes: {}",
                folder_.string(), offset, n < 0 ? std::strerror(errno) : "it ends early");
    to += n, bytes -= static_cast<std::size_t>(n), offset += n;
  }
}

}  // namespace opx::graph
