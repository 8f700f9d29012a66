// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// NumPy's .npy format, versions 1 to 3 (NEP 1): the header, and elements in file order converted to the type
// asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "io/stream.hpp"

namespace opx::io {

struct NpyHeader {
  char kind = 'f';    ///< f float, i signed, u unsigned, b bool, S bytes, U text
  int item_size = 4;  ///< bytes of an element
  bool big_endian = false;
  bool fortran = false;      ///< first index fastest
  std::vector<Index> shape;  ///< empty for a scalar
  [[nodiscard]] Index elements() const noexcept;
  /// "<f4 (3, 2), Fortran order"
  [[nodiscard]] std::string describe() const;
};

/// Parses what follows the 10 or 12 bytes of magic and length. Throws FormatError (object arrays are pickles:
/// refused).
[[nodiscard]] NpyHeader parse_npy_header(std::string_view text, const std::string& file);

/// Reads an array front to back.
class NpyReader {
 public:
  /// Reads the header, and checks the stream's length against it where that is known.
  explicit NpyReader(std::unique_ptr<InputStream> stream);

  [[nodiscard]] const NpyHeader& header() const noexcept { return header_; }
  [[nodiscard]] const std::string& name() const noexcept { return stream_->name(); }
  [[nodiscard]] double progress() const noexcept { return stream_->progress(); }
  /// Elements read or skipped so far, in file order.
  [[nodiscard]] Index position() const noexcept { return position_; }

  /// The next out.size() elements, converted; FormatError where the data end early. For Index, a float that
  /// is no integer or an integer beyond 64 bits is a FormatError. Shapes and order are the caller's business.
  void read(std::span<float> out);
  void read(std::span<double> out);
  void read(std::span<Index> out);
  void skip(Index elements);
  /// The array as text, for kind S or U with one element ("csr").
  [[nodiscard]] std::string read_text();

 private:
  template <class T>
  void read_as(std::span<T> out);
  std::span<const char> take(Index elements);

  std::unique_ptr<InputStream> stream_;
  NpyHeader header_;
  std::vector<char> buffer_;
  Index position_ = 0;
};

}  // namespace opx::io
