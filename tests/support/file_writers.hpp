// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Small writers of the formats that the loaders read, for tests: gzip, npy, zip (zip64 too). Independent of
// src/io.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

namespace opx::test {

/// A fresh folder that is removed at the end of the scope.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "opx-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::filesystem::path write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out) throw std::runtime_error("cannot write " + path.string());
  return path;
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return std::move(text).str();
}

/// window_bits: 15 + 16 for gzip, -15 for raw deflate.
inline std::string deflate_bytes(std::string_view bytes, int window_bits) {
  z_stream state{};
  if (deflateInit2(&state, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib");
  std::string out(deflateBound(&state, bytes.size()) + 64, '\0');
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  state.avail_in = static_cast<uInt>(bytes.size());
  state.next_out = reinterpret_cast<Bytef*>(out.data());
  state.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&state, Z_FINISH);
  out.resize(state.total_out);
  deflateEnd(&state);
  if (result != Z_STREAM_END) throw std::runtime_error("zlib");
  return out;
}

inline std::string gzip(std::string_view bytes) { return deflate_bytes(bytes, 15 + 16); }

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// A .npy of raw data: descr like "<f4", shape like "(3, 2)".
inline std::string npy(std::string_view descr, std::string_view shape, std::string_view data,
                       bool fortran = false, int version = 1) {
  std::string header = "{'descr': '" + std::string(descr) +
                       "', 'fortran_order': " + (fortran ? "True" : "False") +
                       ", 'shape': " + std::string(shape) + ", }";
  const std::size_t prefix = version == 1 ? 10 : 12;
  while ((prefix + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string out = "\x93NUMPY";
  out += static_cast<char>(version);
  out += '\0';
  const auto length = static_cast<std::uint32_t>(header.size());
  out.append(reinterpret_cast<const char*>(&length), version == 1 ? 2 : 4);
  return out + header + std::string(data);
}

/// Writes zip archives; with zip64 every size and offset goes through the 64-bit fields.
class ZipWriter {
 public:
  explicit ZipWriter(bool zip64 = false) : zip64_(zip64) {}

  ZipWriter& add(const std::string& name, const std::string& data, bool deflated = true) {
    const std::string packed = deflated ? deflate_bytes(data, -15) : data;
    const auto crc = static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
    const std::uint64_t offset = bytes_.size();
    std::string common;  // from "version needed" to "extra length", shared by both headers
    put<std::uint16_t>(common, zip64_ ? 45 : 20);
    put<std::uint16_t>(common, 0);
    put<std::uint16_t>(common, deflated ? 8 : 0);
    put<std::uint32_t>(common, 0x00210000);
    put<std::uint32_t>(common, crc);
    put<std::uint32_t>(common, zip64_ ? 0xFFFFFFFF : static_cast<std::uint32_t>(packed.size()));
    put<std::uint32_t>(common, zip64_ ? 0xFFFFFFFF : static_cast<std::uint32_t>(data.size()));
    put<std::uint16_t>(common, static_cast<std::uint16_t>(name.size()));
    put<std::uint32_t>(bytes_, 0x04034b50);
    bytes_ += common;
    const std::string extra = zip64_ ? sizes_field(data.size(), packed.size(), nullptr) : "";
    put<std::uint16_t>(bytes_, static_cast<std::uint16_t>(extra.size()));
    bytes_ += name + extra + packed;
    put<std::uint32_t>(directory_, 0x02014b50);
    put<std::uint16_t>(directory_, 45);
    directory_ += common;
    const std::string extra64 = zip64_ ? sizes_field(data.size(), packed.size(), &offset) : "";
    put<std::uint16_t>(directory_, static_cast<std::uint16_t>(extra64.size()));
    directory_.append(2 + 2 + 2 + 4, '\0');  // comment length, disk, attributes
    put<std::uint32_t>(directory_, zip64_ ? 0xFFFFFFFF : static_cast<std::uint32_t>(offset));
    directory_ += name + extra64;
    ++entries_;
    return *this;
  }

  [[nodiscard]] std::string finish() const {
    std::string out = bytes_ + directory_;
    if (zip64_) {
      put<std::uint32_t>(out, 0x06064b50);
      put<std::uint64_t>(out, 44);
      put<std::uint32_t>(out, 45 | (45 << 16));
      put<std::uint64_t>(out, 0);
      put<std::uint64_t>(out, entries_);
      put<std::uint64_t>(out, entries_);
      put<std::uint64_t>(out, directory_.size());
      put<std::uint64_t>(out, bytes_.size());
      put<std::uint32_t>(out, 0x07064b50);
      put<std::uint32_t>(out, 0);
      put<std::uint64_t>(out, bytes_.size() + directory_.size());
      put<std::uint32_t>(out, 1);
    }
    put<std::uint32_t>(out, 0x06054b50);
    put<std::uint32_t>(out, 0);
    put<std::uint16_t>(out, static_cast<std::uint16_t>(entries_));
    put<std::uint16_t>(out, static_cast<std::uint16_t>(entries_));
    put<std::uint32_t>(out, zip64_ ? 0xFFFFFFFF : static_cast<std::uint32_t>(directory_.size()));
    put<std::uint32_t>(out, zip64_ ? 0xFFFFFFFF : static_cast<std::uint32_t>(bytes_.size()));
    put<std::uint16_t>(out, 0);
    return out;
  }

 private:
  template <class T>
  static void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  static std::string sizes_field(std::uint64_t size, std::uint64_t packed, const std::uint64_t* offset) {
    std::string field;
    put<std::uint16_t>(field, 1);
    put<std::uint16_t>(field, offset != nullptr ? 24 : 16);
    put<std::uint64_t>(field, size);
    put<std::uint64_t>(field, packed);
    if (offset != nullptr) put<std::uint64_t>(field, *offset);
    return field;
  }
  bool zip64_;
  std::uint64_t entries_ = 0;
  std::string bytes_, directory_;
};

}  // namespace opx::test
