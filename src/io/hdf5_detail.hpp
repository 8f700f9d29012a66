// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the sources of io/hdf5.hpp share: the lock, ids that close themselves, types, errors. The only header
// that includes HDF5's own; private to io/hdf5*.cpp.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <hdf5.h>

#include "io/hdf5.hpp"

namespace opx::io::detail {

using base::FormatError;
using base::InputError;
using base::ResourceError;

/// Held around every call: one lock for the whole process. HDF5 prints its errors unless told not to, per
/// thread in some builds: so each time.
class Lock {
 public:
  Lock() : guard_(mutex()) { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

 private:
  static std::recursive_mutex& mutex() {
    static std::recursive_mutex m;
    // A file that cannot be flushed (full disk) cannot be closed either: HDF5's handler at exit would try
    // again and crash. All ids are closed by their owners.
    [[maybe_unused]] static const herr_t no_handler = H5dont_atexit();
    return m;
  }
  std::lock_guard<std::recursive_mutex> guard_;
};

/// An id that is closed at the end of the scope.
class Scoped {
 public:
  Scoped(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  Scoped(Scoped&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;
  Scoped& operator=(Scoped&&) = delete;
  ~Scoped() {
    if (id_ >= 0) close_(id_);
  }
  operator hid_t() const noexcept { return id_; }  // NOLINT(google-explicit-constructor)

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// The type of elements in memory and in the file.
[[nodiscard]] Scoped make_type(H5Type type);

/// The innermost message of HDF5's error stack, which is cleared.
[[nodiscard]] std::string last_error();
[[nodiscard]] std::string where(const std::string& path);
[[noreturn]] void fail_read(const std::string& file, const std::string& path, const std::string& what);
[[noreturn]] void fail_write(const std::string& file, const std::string& path, const std::string& what);

class H5Handle {
 public:
  H5Handle(hid_t id, herr_t (*closer)(hid_t), std::shared_ptr<H5Handle> parent)
      : id_(id), close_(closer), parent_(std::move(parent)) {}
  H5Handle(const H5Handle&) = delete;
  H5Handle& operator=(const H5Handle&) = delete;
  ~H5Handle() { close(); }
  hid_t id() const noexcept { return id_; }
  herr_t close() noexcept {
    if (id_ < 0) return 0;
    const Lock lock;
    const hid_t mine = std::exchange(id_, H5I_INVALID_HID);
    // H5Fclose on a file opened with H5F_CLOSE_STRONG has closed the objects already.
    return H5Iis_valid(mine) > 0 ? close_(mine) : 0;
  }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
  std::shared_ptr<H5Handle> parent_;  // keeps the file open as long as anything in it is
};

}  // namespace opx::io::detail
