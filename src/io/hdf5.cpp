// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include <fcntl.h>
#include <hdf5.h>
#include <unistd.h>

namespace opx::io {
namespace {

using base::FormatError;
using base::InputError;
using base::ResourceError;

// One lock for the whole process. HDF5 prints its errors unless told not to, per thread in some builds: so
// each time.
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

// The innermost message of HDF5's error stack, which is cleared.
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

// An id that is closed at the end of the scope.
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

// IEEE binary16 is not among HDF5 1.10's predefined types: narrow the binary32.
Scoped make_type(H5Type type) {
  if (type != H5Type::kFloat16) return {H5Tcopy(native_type(type)), H5Tclose};
  Scoped t(H5Tcopy(H5T_NATIVE_FLOAT), H5Tclose);
  H5Tset_fields(t, 15, 10, 5, 0, 10);
  H5Tset_size(t, 2);
  H5Tset_ebias(t, 15);
  return t;
}

constexpr std::array kTypes{H5Type::kInt8,    H5Type::kUint8,  H5Type::kUint16, H5Type::kInt32,
                            H5Type::kUint32,  H5Type::kInt64,  H5Type::kUint64, H5Type::kFloat16,
                            H5Type::kFloat32, H5Type::kFloat64};

std::string where(const std::string& path) { return "object '" + path + "'"; }

[[noreturn]] void fail_read(const std::string& file, const std::string& path, const std::string& what) {
  throw FormatError(file, where(path), what + ": " + last_error());
}
[[noreturn]] void fail_write(const std::string& file, const std::string& path, const std::string& what) {
  throw ResourceError(fmt::format("{}: {}: {}: {}", file, where(path), what, last_error()));
}

std::string join(const std::string& a, const std::string& b) { return a == "/" ? a + b : a + "/" + b; }

}  // namespace

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

namespace detail {

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

}  // namespace detail

std::int64_t H5Object::id() const {
  OPX_REQUIRE(handle_ && handle_->id() >= 0, InternalError, "{}: used after it was closed", file_);
  return handle_->id();
}

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

// --- datasets

Index H5Dataset::check_piece(Index begin, Index count, H5Type type, const char* verb) const {
  OPX_REQUIRE(type == type_, DimensionMismatch, "{}: {}: {} {} elements, but the dataset holds {}", file_,
              where(path_), verb, name(type), name(type_));
  const Index width = row_size();
  OPX_REQUIRE(width == 0 ? count == 0 : count % width == 0, DimensionMismatch,
              "{}: {}: {} {} elements, not whole rows of {}", file_, where(path_), verb, count, width);
  const Index n = width == 0 ? 0 : count / width;
  OPX_REQUIRE(begin >= 0 && begin + n <= rows(), DimensionMismatch, "{}: {}: {} rows {} to {} of {}", file_,
              where(path_), verb, begin, begin + n, rows());
  return n;
}

namespace {
struct Piece {
  Scoped file, memory;
};
// Selects rows [begin, begin + n) in the file and a dense array of the same shape in memory.
Piece select(hid_t dataset, const std::vector<Index>& shape, Index begin, Index n) {
  const int rank = static_cast<int>(shape.size());
  std::array<hsize_t, 2> start{static_cast<hsize_t>(begin), 0};
  std::array<hsize_t, 2> count{static_cast<hsize_t>(n), rank == 2 ? static_cast<hsize_t>(shape[1]) : 1};
  Piece p{{H5Dget_space(dataset), H5Sclose}, {H5Screate_simple(rank, count.data(), nullptr), H5Sclose}};
  if (p.file >= 0) H5Sselect_hyperslab(p.file, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  return p;
}
}  // namespace

void H5Dataset::write_raw(Index begin, const void* data, Index count, H5Type type) {
  const Index n = check_piece(begin, count, type, "writing");
  if (n == 0) return;
  const Lock lock;
  const Piece p = select(id(), shape_, begin, n);
  const Scoped t = make_type(type);
  if (H5Dwrite(id(), t, p.memory, p.file, H5P_DEFAULT, data) < 0)
    fail_write(file_, path_, "cannot be written");
}

void H5Dataset::read_raw(Index begin, void* out, Index count, H5Type type) const {
  const Index n = check_piece(begin, count, type, "reading");
  if (n == 0) return;
  const Lock lock;
  const Piece p = select(id(), shape_, begin, n);
  const Scoped t = make_type(type);
  if (H5Dread(id(), t, p.memory, p.file, H5P_DEFAULT, out) < 0) fail_read(file_, path_, "cannot be read");
}

void H5Dataset::resize(Index rows) {
  const Lock lock;
  std::vector<hsize_t> dims(shape_.begin(), shape_.end());
  dims.at(0) = static_cast<hsize_t>(rows);
  if (H5Dset_extent(id(), dims.data()) < 0) fail_write(file_, path_, "cannot be resized");
  shape_[0] = rows;
}

// --- groups

namespace {
Scoped link_properties() {
  Scoped p(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(p, 1);
  return p;
}

Scoped dataset_properties(const std::vector<hsize_t>& dims, const H5Layout& layout) {
  Scoped p(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_fill_time(p, layout.chunk_rows > 0 ? H5D_FILL_TIME_NEVER : H5D_FILL_TIME_IFSET);
  if (layout.chunk_rows <= 0) return p;
  std::vector<hsize_t> chunk = dims;
  chunk[0] = static_cast<hsize_t>(layout.chunk_rows);
  for (auto& c : chunk) c = std::max<hsize_t>(c, 1);
  H5Pset_chunk(p, static_cast<int>(chunk.size()), chunk.data());
  if (layout.deflate > 0) H5Pset_deflate(p, static_cast<unsigned>(layout.deflate));
  return p;
}

H5Type type_of_dataset(hid_t dataset, const std::string& file, const std::string& path) {
  const Scoped stored(H5Dget_type(dataset), H5Tclose);
  for (const H5Type t : kTypes) {
    const Scoped mine = make_type(t);
    if (H5Tequal(stored, mine) > 0) return t;
  }
  throw FormatError(file, where(path), "elements of a type that is not read here");
}
}  // namespace

H5Group H5Group::create_group(const std::string& child) {
  const Lock lock;
  const Scoped links = link_properties();
  const hid_t g = H5Gcreate2(id(), child.c_str(), links, H5P_DEFAULT, H5P_DEFAULT);
  if (g < 0) fail_write(file_, join(path_, child), "group cannot be made");
  return {std::make_shared<detail::H5Handle>(g, H5Gclose, handle_), file_, join(path_, child)};
}

H5Group H5Group::group(const std::string& child) const {
  const Lock lock;
  if (!has(child)) throw FormatError(file_, where(join(path_, child)), "is missing");
  const hid_t g = H5Gopen2(id(), child.c_str(), H5P_DEFAULT);
  if (g < 0) fail_read(file_, join(path_, child), "group cannot be opened");
  return {std::make_shared<detail::H5Handle>(g, H5Gclose, handle_), file_, join(path_, child)};
}

bool H5Group::has(const std::string& child) const {
  const Lock lock;
  // H5Lexists asks for one link at a time: each part of the path in turn.
  for (std::size_t end = child.find('/');; end = child.find('/', end + 1)) {
    if (H5Lexists(id(), child.substr(0, end).c_str(), H5P_DEFAULT) <= 0) {
      H5Eclear2(H5E_DEFAULT);
      return false;
    }
    if (end == std::string::npos) return true;
  }
}

std::vector<std::string> H5Group::members() const {
  const Lock lock;
  std::vector<std::string> names;
  const auto collect = [](hid_t, const char* link, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(link);
    return 0;
  };
  if (H5Literate(id(), H5_INDEX_NAME, H5_ITER_INC, nullptr, collect, &names) < 0)
    fail_read(file_, path_, "members cannot be listed");
  return names;
}

H5Dataset H5Group::create_dataset(const std::string& child, H5Type type, std::vector<Index> shape,
                                  H5Layout layout) {
  OPX_REQUIRE(shape.size() == 1 || shape.size() == 2, InvalidArgument, "dataset '{}' of {} dimensions", child,
              shape.size());
  const Lock lock;
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  std::vector<hsize_t> most = dims;
  if (layout.chunk_rows > 0) most[0] = H5S_UNLIMITED;
  const Scoped space(H5Screate_simple(static_cast<int>(dims.size()), dims.data(), most.data()), H5Sclose);
  const Scoped links = link_properties(), properties = dataset_properties(dims, layout), t = make_type(type);
  const hid_t d = H5Dcreate2(id(), child.c_str(), t, space, links, properties, H5P_DEFAULT);
  if (d < 0) fail_write(file_, join(path_, child), "dataset cannot be made");
  H5Dataset out;
  out.handle_ = std::make_shared<detail::H5Handle>(d, H5Dclose, handle_);
  out.file_ = file_, out.path_ = join(path_, child), out.shape_ = std::move(shape), out.type_ = type;
  if (type == H5Type::kBfloat16) out.set_attribute("dtype", "bfloat16");
  return out;
}

H5Dataset H5Group::dataset(const std::string& child) const {
  const Lock lock;
  if (!has(child)) throw FormatError(file_, where(join(path_, child)), "is missing");
  const hid_t d = H5Dopen2(id(), child.c_str(), H5P_DEFAULT);
  if (d < 0) fail_read(file_, join(path_, child), "dataset cannot be opened");
  H5Dataset out;
  out.handle_ = std::make_shared<detail::H5Handle>(d, H5Dclose, handle_);
  out.file_ = file_, out.path_ = join(path_, child);
  const Scoped space(H5Dget_space(d), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space);
  if (rank != 1 && rank != 2)
    throw FormatError(file_, where(out.path_), fmt::format("has {} dimensions", rank));
  std::array<hsize_t, 2> dims{};
  H5Sget_simple_extent_dims(space, dims.data(), nullptr);
  for (int i = 0; i < rank; ++i) out.shape_.push_back(static_cast<Index>(dims[static_cast<std::size_t>(i)]));
  out.type_ = type_of_dataset(d, file_, out.path_);
  if (out.type_ == H5Type::kUint16 && out.has_attribute("dtype") &&
      out.string_attribute("dtype") == "bfloat16")
    out.type_ = H5Type::kBfloat16;
  return out;
}

// --- files

namespace {
Scoped access_properties() {
  Scoped p(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fclose_degree(p, H5F_CLOSE_STRONG);
  H5Pset_file_locking(p, false,
                      true);  // parallel file systems often have no locks; we never share a file for writing
  H5Pset_sieve_buf_size(p, std::size_t{1} << 20);
  return p;
}
}  // namespace

H5File H5File::create(const std::filesystem::path& path) {
  const Lock lock;
  // HDF5's own message hides the reason: ask the system first.
  const bool fresh = ::access(path.c_str(), F_OK) != 0;
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0)
    throw ResourceError(fmt::format("{}: cannot be created: {}", path.string(), std::strerror(errno)));
  ::close(fd);
  const Scoped access = access_properties();
  const hid_t f = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  if (f < 0) {
    const std::string reason = last_error();
    if (fresh) ::unlink(path.c_str());
    throw ResourceError(fmt::format("{}: cannot be created: {}", path.string(), reason));
  }
  H5File out(std::make_shared<detail::H5Handle>(f, H5Fclose, nullptr), path.string(), "/");
  out.writable_ = true;
  return out;
}

H5File H5File::open(const std::filesystem::path& path) {
  const Lock lock;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw InputError(fmt::format("{}: cannot be opened: {}", path.string(), std::strerror(errno)));
  ::close(fd);
  if (std::filesystem::is_directory(path)) throw InputError(path.string() + ": is a folder, not a file");
  if (H5Fis_hdf5(path.c_str()) <= 0) {
    H5Eclear2(H5E_DEFAULT);
    throw FormatError(path.string(), "", "is not an HDF5 file");
  }
  const Scoped access = access_properties();
  const hid_t f = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access);
  if (f < 0) fail_read(path.string(), "/", "file is damaged or cut short");
  return {std::make_shared<detail::H5Handle>(f, H5Fclose, nullptr), path.string(), "/"};
}

void H5File::close(bool sync) {
  const Lock lock;
  if (!handle_) return;
  if (writable_ && H5Fflush(id(), H5F_SCOPE_LOCAL) < 0) fail_write(file_, path_, "cannot be flushed");
  if (handle_->close() < 0) fail_write(file_, path_, "cannot be closed");
  handle_.reset();
  if (!writable_ || !sync) return;
  const int fd = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) throw ResourceError(fmt::format("{}: cannot be synced: {}", file_, std::strerror(error)));
}

}  // namespace opx::io
