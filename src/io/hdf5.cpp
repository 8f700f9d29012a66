// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "io/hdf5_detail.hpp"

namespace opx::io {

using namespace detail;

namespace {

constexpr std::array kTypes{H5Type::kInt8,    H5Type::kUint8,  H5Type::kUint16, H5Type::kInt32,
                            H5Type::kUint32,  H5Type::kInt64,  H5Type::kUint64, H5Type::kFloat16,
                            H5Type::kFloat32, H5Type::kFloat64};

std::string join(const std::string& a, const std::string& b) { return a == "/" ? a + b : a + "/" + b; }

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
