// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// HDF5 files: groups, typed datasets of one or two dimensions read and written in pieces of rows, attributes.
// The HDF5 library is not thread-safe, so every call here goes through one process-wide lock; all return
// codes are checked. Errors: FormatError for a file or object that is not what was asked for or is damaged,
// InputError for a file that cannot be opened, ResourceError for one that cannot be created or written (disk
// full, no permission).
//
// Names may be paths ("layers.0/weight"): the groups on the way are made. h5py and h5dump read all that is
// written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/bfloat16.hpp"
#include "base/error.hpp"
#include "base/types.hpp"

namespace opx::io {

/// A half-precision float as it is stored; conversion is the user's.
struct Float16Bits {
  std::uint16_t bits = 0;
};

/// Types of elements. bf16 is stored as uint16 with the attribute `dtype` = "bfloat16"; the others are native
/// in HDF5.
enum class H5Type : std::uint8_t {
  kInt8,
  kUint8,
  kUint16,
  kInt32,
  kUint32,
  kInt64,
  kUint64,
  kFloat16,
  kBfloat16,
  kFloat32,
  kFloat64
};
[[nodiscard]] std::string_view name(H5Type type) noexcept;
[[nodiscard]] std::size_t size_of(H5Type type) noexcept;

template <class T>
[[nodiscard]] consteval H5Type h5_type() {
  if constexpr (std::is_same_v<T, std::int8_t>)
    return H5Type::kInt8;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return H5Type::kUint8;
  else if constexpr (std::is_same_v<T, std::uint16_t>)
    return H5Type::kUint16;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return H5Type::kInt32;
  else if constexpr (std::is_same_v<T, std::uint32_t>)
    return H5Type::kUint32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return H5Type::kInt64;
  else if constexpr (std::is_same_v<T, std::uint64_t>)
    return H5Type::kUint64;
  else if constexpr (std::is_same_v<T, Float16Bits>)
    return H5Type::kFloat16;
  else if constexpr (std::is_same_v<T, bfloat16>)
    return H5Type::kBfloat16;
  else if constexpr (std::is_same_v<T, float>)
    return H5Type::kFloat32;
  else {
    static_assert(std::is_same_v<T, double>, "no HDF5 type for this");
    return H5Type::kFloat64;
  }
}

namespace detail {
class H5Handle;  // an hid_t that closes itself
}

/// How a dataset is laid out in the file. The default is one contiguous piece of fixed size, the fastest.
struct H5Layout {
  Index chunk_rows = 0;  ///< > 0: chunks of so many rows (all columns), which may grow by resize()
  int deflate = 0;       ///< 1..9: compressed (needs chunks)
};

/// What files, groups and datasets share: attributes and where they are.
class H5Object {
 public:
  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }  ///< inside the file

  void set_attribute(const std::string& key, std::string_view text);
  void set_attribute(const std::string& key, const char* text) { set_attribute(key, std::string_view(text)); }
  void set_attribute(const std::string& key, std::int64_t number);
  void set_attribute(const std::string& key, double number);
  [[nodiscard]] bool has_attribute(const std::string& key) const;
  [[nodiscard]] std::string string_attribute(const std::string& key) const;
  [[nodiscard]] std::int64_t int_attribute(const std::string& key) const;
  [[nodiscard]] double double_attribute(const std::string& key) const;
  [[nodiscard]] std::vector<std::string> attributes() const;

 protected:
  H5Object(std::shared_ptr<detail::H5Handle> handle, std::string file, std::string path)
      : handle_(std::move(handle)), file_(std::move(file)), path_(std::move(path)) {}
  H5Object() = default;
  [[nodiscard]] std::int64_t id() const;
  std::shared_ptr<detail::H5Handle> handle_;
  std::string file_, path_;
};

/// A dataset of one or two dimensions, rows x row_size elements.
class H5Dataset : public H5Object {
 public:
  H5Dataset() = default;
  [[nodiscard]] Index rows() const noexcept { return shape_.empty() ? 1 : shape_[0]; }
  [[nodiscard]] Index row_size() const noexcept { return shape_.size() < 2 ? 1 : shape_[1]; }
  [[nodiscard]] const std::vector<Index>& shape() const noexcept { return shape_; }
  [[nodiscard]] H5Type type() const noexcept { return type_; }

  /// Rows [begin, begin + data.size() / row_size()). The element type must be the dataset's: nothing is
  /// converted.
  template <class T>
  void write(Index begin, std::span<const T> data) {
    write_raw(begin, data.data(), static_cast<Index>(data.size()), h5_type<T>());
  }
  template <class T>
  void read(Index begin, std::span<T> out) const {
    read_raw(begin, out.data(), static_cast<Index>(out.size()), h5_type<T>());
  }
  /// Changes the number of rows (chunked layout only).
  void resize(Index rows);

 private:
  friend class H5Group;
  void write_raw(Index begin, const void* data, Index count, H5Type type);
  void read_raw(Index begin, void* out, Index count, H5Type type) const;
  [[nodiscard]] Index check_piece(Index begin, Index count, H5Type type, const char* verb) const;
  std::vector<Index> shape_;
  H5Type type_ = H5Type::kUint8;
};

class H5Group : public H5Object {
 public:
  H5Group() = default;
  H5Group create_group(const std::string& name);
  [[nodiscard]] H5Group group(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const;
  /// Names of groups and datasets right below, sorted.
  [[nodiscard]] std::vector<std::string> members() const;
  H5Dataset create_dataset(const std::string& name, H5Type type, std::vector<Index> shape,
                           H5Layout layout = {});
  [[nodiscard]] H5Dataset dataset(const std::string& name) const;

  /// Whole arrays at once. `shape` empty: one dimension.
  template <class T>
  H5Dataset write_array(const std::string& name, std::span<const T> data, std::vector<Index> shape = {},
                        H5Layout layout = {}) {
    if (shape.empty()) shape = {static_cast<Index>(data.size())};
    H5Dataset d = create_dataset(name, h5_type<T>(), std::move(shape), layout);
    d.write(0, data);
    return d;
  }
  template <class T>
  [[nodiscard]] std::vector<T> read_array(const std::string& name) const {
    const H5Dataset d = dataset(name);
    std::vector<T> out(static_cast<std::size_t>(d.rows() * d.row_size()));
    d.read(0, std::span<T>(out));
    return out;
  }

 protected:
  using H5Object::H5Object;
};

class H5File : public H5Group {
 public:
  H5File() = default;
  H5File(H5File&&) = default;
  H5File& operator=(H5File&&) = default;
  H5File(const H5File&) = delete;
  H5File& operator=(const H5File&) = delete;
  /// Makes a new file, replacing one of that name.
  static H5File create(const std::filesystem::path& path);
  /// Opens for reading.
  static H5File open(const std::filesystem::path& path);
  /// Flushes, syncs to the disk where `sync`, and closes this file and all that was opened from it. The
  /// destructor closes too, but cannot tell of an error.
  void close(bool sync = true);

 private:
  using H5Group::H5Group;
  bool writable_ = false;
};

}  // namespace opx::io
