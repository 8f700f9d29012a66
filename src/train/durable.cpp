// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/durable.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.hpp"

namespace opx::train {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const char* verb, const fs::path& path, int error) {
  throw base::ResourceError(fmt::format("cannot {} {}: {}", verb, path.string(), std::strerror(error)));
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, const char* verb)
      : path_(path), verb_(verb), fd_(::open(path.c_str(), flags, 0666)) {
    if (fd_ < 0) fail(verb_, path_, errno);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::write(fd_, text.data(), text.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(verb_, path_, errno);
      text.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void sync() {
    if (::fsync(fd_) != 0 && errno != EINVAL)
      fail(verb_, path_, errno);  // EINVAL: a file system without fsync on this object
  }

 private:
  fs::path path_;
  const char* verb_;
  int fd_;
};

}  // namespace

void make_folders(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail("make folder", folder, error.value());
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail("remove", path, error.value());
}

void rename_path(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) fail("rename to", to, error.value());
}

void sync_folder(const fs::path& folder) { Descriptor(folder, O_RDONLY | O_DIRECTORY, "sync folder").sync(); }

void write_durable(const fs::path& file, std::string_view text) {
  Descriptor out(file, O_WRONLY | O_CREAT | O_TRUNC, "write");
  out.write(text);
  out.sync();
}

void replace_file(const fs::path& file, std::string_view text) {
  const fs::path temporary = fs::path(file) += ".tmp";
  write_durable(temporary, text);
  rename_path(temporary, file);
  sync_folder(file.has_parent_path() ? file.parent_path() : fs::path("."));
}

}  // namespace opx::train
