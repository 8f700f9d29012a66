// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5_detail.hpp"

#include <algorithm>

namespace opx::io {
namespace detail {
namespace {

hid_t native_type(H5Type type) {
  switch (type) {
    case H5Type::kInt8:
      return H5T_NATIVE_INT8;
    case H5Type::kUint8:
      return H5T_NATIVE_UINT8;
    case H5Type::kUint16:
      return H5T_NATIVE_UINT16;
    case H5Type::kInt32:
      return H5T_NATIVE_INT32;
    case H5Type::kUint32:
      return H5T_NATIVE_UINT32;
    case H5Type::kInt64:
      return H5T_NATIVE_INT64;
    case H5Type::kUint64:
      return H5T_NATIVE_UINT64;
    case H5Type::kFloat16:
      return H5I_INVALID_HID;  // made by TypeId
    case H5Type::kBfloat16:
      return H5T_NATIVE_UINT16;
    case H5Type::kFloat32:
      return H5T_NATIVE_FLOAT;
    case H5Type::kFloat64:
      return H5T_NATIVE_DOUBLE;
  }
  return H5I_INVALID_HID;
}

}  // namespace

// IEEE binary16 is not among HDF5 1.10's predefined types: narrow the binary32.
Scoped make_type(H5Type type) {
  if (type != H5Type::kFloat16) return {H5Tcopy(native_type(type)), H5Tclose};
  Scoped t(H5Tcopy(H5T_NATIVE_FLOAT), H5Tclose);
  H5Tset_fields(t, 15, 10, 5, 0, 10);
  H5Tset_size(t, 2);
  H5Tset_ebias(t, 15);
  return t;
}

std::string last_error() {
  std::string text;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned, const H5E_error2_t* e, void* out) -> herr_t {
        auto& t = *static_cast<std::string*>(out);
        if (t.empty() && e->desc != nullptr) t = e->desc;
        return 0;
      },
      &text);
  H5Eclear2(H5E_DEFAULT);
  // Of a failed system call HDF5 tells time, buffers and sizes over several lines: the system's words are
  // enough.
  constexpr std::string_view kSystem = "error message = '";
  if (const std::size_t begin = text.find(kSystem); begin != std::string::npos) {
    const std::size_t words = begin + kSystem.size();
    text = text.substr(words, text.find('\'', words) - words);
  }
  std::ranges::replace(text, '\n', ' ');
  return text.empty() ? "no reason given" : text;
}

std::string where(const std::string& path) { return "object '" + path + "'"; }

void fail_read(const std::string& file, const std::string& path, const std::string& what) {
  throw FormatError(file, where(path), what + ": " + last_error());
}
void fail_write(const std::string& file, const std::string& path, const std::string& what) {
  throw ResourceError(fmt::format("{}: {}: {}: {}", file, where(path), what, last_error()));
}

}  // namespace detail

std::string_view name(H5Type type) noexcept {
  constexpr std::array<std::string_view, 11> names{"int8",     "uint8",   "uint16", "int32",
                                                   "uint32",   "int64",   "uint64", "float16",
                                                   "bfloat16", "float32", "float64"};
  return names[static_cast<std::size_t>(type)];
}

std::size_t size_of(H5Type type) noexcept {
  constexpr std::array<std::size_t, 11> sizes{1, 1, 2, 4, 4, 8, 8, 2, 2, 4, 8};
  return sizes[static_cast<std::size_t>(type)];
}

std::int64_t H5Object::id() const {
  OPX_REQUIRE(handle_ && handle_->id() >= 0, InternalError, "{}: used after it was closed", file_);
  return handle_->id();
}

}  // namespace opx::io
