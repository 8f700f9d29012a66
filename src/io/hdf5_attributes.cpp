// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "io/hdf5_detail.hpp"

namespace opx::io {

using namespace detail;

namespace {

// Replaces the attribute `key` by a scalar of the given type.
void put_attribute(hid_t object, const std::string& key, hid_t type, const void* data,
                   const std::string& file, const std::string& path) {
  if (H5Aexists(object, key.c_str()) > 0) H5Adelete(object, key.c_str());
  const Scoped space(H5Screate(H5S_SCALAR), H5Sclose);
  const Scoped a(H5Acreate2(object, key.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  if (a < 0 || H5Awrite(a, type, data) < 0)
    fail_write(file, path, "attribute '" + key + "' cannot be written");
}

Scoped open_attribute(hid_t object, const std::string& key, const std::string& file,
                      const std::string& path) {
  if (H5Aexists(object, key.c_str()) <= 0)
    throw FormatError(file, where(path), "attribute '" + key + "' is missing");
  Scoped a(H5Aopen(object, key.c_str(), H5P_DEFAULT), H5Aclose);
  if (a < 0) fail_read(file, path, "attribute '" + key + "' cannot be opened");
  const Scoped space(H5Aget_space(a), H5Sclose);
  if (H5Sget_simple_extent_npoints(space) != 1)
    throw FormatError(file, where(path), "attribute '" + key + "' is not a single value");
  return a;
}

template <class T>
T number_attribute(hid_t object, const std::string& key, hid_t type, bool integer, const std::string& file,
                   const std::string& path) {
  const Scoped a = open_attribute(object, key, file, path);
  const Scoped stored(H5Aget_type(a), H5Tclose);
  const H5T_class_t c = H5Tget_class(stored);
  if (c != H5T_INTEGER && (integer || c != H5T_FLOAT))
    throw FormatError(file, where(path), "attribute '" + key + "' is not a number of the expected kind");
  T value{};
  if (H5Aread(a, type, &value) < 0) fail_read(file, path, "attribute '" + key + "' cannot be read");
  return value;
}

}  // namespace

void H5Object::set_attribute(const std::string& key, std::string_view text) {
  const Lock lock;
  const Scoped type(H5Tcopy(H5T_C_S1), H5Tclose);
  const std::string value(text);
  H5Tset_size(type, value.size() + 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  put_attribute(id(), key, type, value.c_str(), file_, path_);
}

void H5Object::set_attribute(const std::string& key, std::int64_t number) {
  const Lock lock;
  put_attribute(id(), key, H5T_NATIVE_INT64, &number, file_, path_);
}

void H5Object::set_attribute(const std::string& key, double number) {
  const Lock lock;
  put_attribute(id(), key, H5T_NATIVE_DOUBLE, &number, file_, path_);
}

bool H5Object::has_attribute(const std::string& key) const {
  const Lock lock;
  return H5Aexists(id(), key.c_str()) > 0;
}

std::string H5Object::string_attribute(const std::string& key) const {
  const Lock lock;
  const Scoped a = open_attribute(id(), key, file_, path_);
  const Scoped type(H5Aget_type(a), H5Tclose);
  if (H5Tget_class(type) != H5T_STRING)
    throw FormatError(file_, where(path_), "attribute '" + key + "' is not text");
  if (H5Tis_variable_str(type) > 0) {  // as h5py writes them
    char* text = nullptr;
    const Scoped memory(H5Tget_native_type(type, H5T_DIR_DEFAULT), H5Tclose);
    if (H5Aread(a, memory, &text) < 0) fail_read(file_, path_, "attribute '" + key + "' cannot be read");
    std::string value = text == nullptr ? std::string() : std::string(text);
    H5free_memory(text);
    return value;
  }
  std::string value(H5Tget_size(type), '\0');
  if (H5Aread(a, type, value.data()) < 0) fail_read(file_, path_, "attribute '" + key + "' cannot be read");
  value.resize(std::strlen(value.c_str()));
  return value;
}

std::int64_t H5Object::int_attribute(const std::string& key) const {
  const Lock lock;
  return number_attribute<std::int64_t>(id(), key, H5T_NATIVE_INT64, true, file_, path_);
}

double H5Object::double_attribute(const std::string& key) const {
  const Lock lock;
  return number_attribute<double>(id(), key, H5T_NATIVE_DOUBLE, false, file_, path_);
}

std::vector<std::string> H5Object::attributes() const {
  const Lock lock;
  std::vector<std::string> names;
  hsize_t at = 0;
  const auto collect = [](hid_t, const char* key, const H5A_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(key);
    return 0;
  };
  if (H5Aiterate2(id(), H5_INDEX_NAME, H5_ITER_INC, &at, collect, &names) < 0)
    fail_read(file_, path_, "attributes cannot be listed");
  return names;
}

}  // namespace opx::io
