// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "io/hdf5_detail.hpp"

namespace opx::io {

using namespace detail;

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

}  // namespace opx::io
