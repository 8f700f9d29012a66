// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/npy.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/error.hpp"

namespace opx::io {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr std::size_t kLongestHeader = std::size_t{1} << 20;
constexpr Index kMostElements = Index{1} << 48;
constexpr Index kPiece = 1 << 16;

// A cursor over the Python dictionary literal of the header.
class HeaderText {
 public:
  HeaderText(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  [[noreturn]] void fail(std::string_view what) const {
    throw base::FormatError(file_, fmt::format("npy header, column {}", at_ + 1), std::string(what));
  }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("expected '{}'", c));
  }
  std::string_view quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("expected a quoted word");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a quoted word has no end");
    const auto word = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return word;
  }
  bool boolean() {
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (peek() != '\0' && text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return value;
      }
    }
    fail("expected True or False");
  }
  Index number() {
    Index n = 0;
    peek();
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), n);
    if (error != std::errc() || n < 0) fail("expected a length");
    at_ = static_cast<std::size_t>(end - text_.data());
    accept('L');  // Python 2 wrote long integers so
    return n;
  }

 private:
  std::string_view text_;
  const std::string& file_;
  std::size_t at_ = 0;
};

void set_type(HeaderText& text, std::string_view descr, NpyHeader& header) {
  if (descr.find('O') != std::string_view::npos)
    text.fail(fmt::format("type '{}' is an array of pickled Python objects, which is not read", descr));
  if (descr.size() < 3) text.fail(fmt::format("type '{}' is not known", descr));
  header.big_endian = descr[0] == '>';
  header.kind = descr[1];
  const auto [end, error] = std::from_chars(descr.data() + 2, descr.data() + descr.size(), header.item_size);
  const auto size = header.item_size;
  const bool integer = size == 1 || size == 2 || size == 4 || size == 8;
  bool known = false;
  if (header.kind == 'f')
    known = size == 2 || size == 4 || size == 8;
  else if (header.kind == 'i' || header.kind == 'u')
    known = integer;
  else if (header.kind == 'b')
    known = size == 1;
  else if (header.kind == 'S' || header.kind == 'U')
    known = size >= 0 && size < 4096;
  if (header.kind == 'U') header.item_size *= 4;
  if (error != std::errc() || end != descr.data() + descr.size() || !known)
    text.fail(fmt::format("type '{}' is not read (f2 f4 f8, i and u of 1 to 8 bytes, b1 are)", descr));
}

void set_shape(HeaderText& text, NpyHeader& header) {
  text.expect('(');
  Index elements = 1;
  while (!text.accept(')')) {
    const Index n = text.number();
    if (n > 0 && elements > kMostElements / n) text.fail("the shape is absurdly large");
    elements *= std::max<Index>(n, 1);
    header.shape.push_back(n);
    if (header.shape.size() > 32) text.fail("more than 32 dimensions");
    if (!text.accept(',')) {
      text.expect(')');
      break;
    }
  }
}

float half_to_float(std::uint16_t half) {
  const bool negative = (half & 0x8000U) != 0;
  const int exponent = (half >> 10) & 0x1F;
  const auto mantissa = static_cast<float>(half & 0x3FFU);
  float value = 0;
  if (exponent == 0x1F)
    value = mantissa == 0 ? INFINITY : NAN;
  else if (exponent == 0)
    value = std::ldexp(mantissa, -24);
  else
    value = std::ldexp(mantissa + 1024.0F, exponent - 25);
  return negative ? -value : value;
}

struct Half {
  std::uint16_t bits;
};

template <class From, class To>
bool convert_one(From from, To& to) {
  if constexpr (std::is_same_v<From, Half>) {
    return convert_one(half_to_float(from.bits), to);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    to = 0;
    if (!(from >= From(-9.2e18) && from <= From(9.2e18)) || std::trunc(from) != from) return false;
    to = static_cast<To>(from);
    return true;
  } else if constexpr (std::is_same_v<From, std::uint64_t> && std::is_integral_v<To>) {
    to = static_cast<To>(from);
    return to >= 0;
  } else {
    to = static_cast<To>(from);
    return true;
  }
}

// Converts out.size() elements; returns the first that cannot be held, or out.size().
template <class From, class To>
std::size_t convert(std::span<const char> bytes, bool swap, std::span<To> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::array<char, sizeof(From)> raw;
    std::memcpy(raw.data(), bytes.data() + i * sizeof(From), sizeof(From));
    if (swap) std::ranges::reverse(raw);
    if (!convert_one(std::bit_cast<From>(raw), out[i])) return i;
  }
  return out.size();
}

template <class To>
std::size_t convert_any(const NpyHeader& header, std::span<const char> bytes, std::span<To> out) {
  const bool swap = header.big_endian;
  switch (header.kind * 16 + header.item_size) {
    case 'f' * 16 + 2:
      return convert<Half>(bytes, swap, out);
    case 'f' * 16 + 4:
      return convert<float>(bytes, swap, out);
    case 'f' * 16 + 8:
      return convert<double>(bytes, swap, out);
    case 'i' * 16 + 1:
      return convert<std::int8_t>(bytes, swap, out);
    case 'i' * 16 + 2:
      return convert<std::int16_t>(bytes, swap, out);
    case 'i' * 16 + 4:
      return convert<std::int32_t>(bytes, swap, out);
    case 'i' * 16 + 8:
      return convert<std::int64_t>(bytes, swap, out);
    case 'b' * 16 + 1:
    case 'u' * 16 + 1:
      return convert<std::uint8_t>(bytes, swap, out);
    case 'u' * 16 + 2:
      return convert<std::uint16_t>(bytes, swap, out);
    case 'u' * 16 + 4:
      return convert<std::uint32_t>(bytes, swap, out);
    case 'u' * 16 + 8:
      return convert<std::uint64_t>(bytes, swap, out);
    default:
      return 0;
  }
}

std::string read_header_text(InputStream& stream, Index& data_offset) {
  const auto fail = [&](const char* what) { throw base::FormatError(stream.name(), "npy header", what); };
  std::array<char, 12> head{};
  if (stream.read(std::span(head).first(8)) < 8 || std::string_view(head.data(), 6) != "\x93NUMPY")
    fail("is no npy file: the magic number is missing");
  const int major = head[6];
  if (major < 1 || major > 3) fail("is of a version of the npy format that is not known (1 to 3 are)");
  const std::size_t length_size = major == 1 ? 2 : 4;
  std::uint32_t length = 0;
  if (stream.read(std::span(head).first(length_size)) < length_size) fail("is truncated");
  std::memcpy(&length, head.data(), length_size);
  if (length > kLongestHeader) fail("is absurdly long");
  std::string text(length, '\0');
  if (stream.read(text) < text.size()) fail("is truncated");
  data_offset = static_cast<Index>(8 + length_size + length);
  return text;
}

}  // namespace

Index NpyHeader::elements() const noexcept {
  Index n = 1;
  for (const Index length : shape) n *= length;
  return n;
}

std::string NpyHeader::describe() const {
  std::string text =
      fmt::format("{}{}{} (", big_endian ? ">" : "<", kind, kind == 'U' ? item_size / 4 : item_size);
  for (std::size_t i = 0; i < shape.size(); ++i) text += fmt::format("{}{}", i == 0 ? "" : ", ", shape[i]);
  return text + (fortran ? "), Fortran order" : ")");
}

NpyHeader parse_npy_header(std::string_view header_text, const std::string& file) {
  HeaderText text(header_text, file);
  NpyHeader header;
  int found = 0;
  text.expect('{');
  while (!text.accept('}')) {
    const auto key = text.quoted();
    text.expect(':');
    if (key == "descr") {
      if (text.peek() == '[') text.fail("structured arrays are not read");
      set_type(text, text.quoted(), header);
      found |= 1;
    } else if (key == "fortran_order") {
      header.fortran = text.boolean();
      found |= 2;
    } else if (key == "shape" && (found & 4) == 0) {
      set_shape(text, header);
      found |= 4;
    } else {
      text.fail(fmt::format("key '{}' is not known or comes twice", key));
    }
    if (!text.accept(',') && text.peek() != '}') text.fail("expected ',' or '}'");
  }
  if (found != 7) text.fail("descr, fortran_order or shape is missing");
  return header;
}

NpyReader::NpyReader(std::unique_ptr<InputStream> stream) : stream_(std::move(stream)) {
  Index data_offset = 0;
  const std::string text = read_header_text(*stream_, data_offset);
  header_ = parse_npy_header(text, stream_->name());
  const Index bytes = header_.elements() * header_.item_size;
  if (const auto length = stream_->length(); length && *length != data_offset + bytes)
    throw base::FormatError(
        name(), "npy header",
        fmt::format("{} takes {} bytes, but {} follow", header_.describe(), bytes, *length - data_offset));
}

std::span<const char> NpyReader::take(Index elements) {
  const auto bytes = static_cast<std::size_t>(elements * header_.item_size);
  if (buffer_.size() < bytes) buffer_.resize(bytes);
  const std::span<char> piece = std::span(buffer_).first(bytes);
  if (elements > header_.elements() - position_ || stream_->read(piece) < bytes)
    throw base::FormatError(name(), fmt::format("element {}", position_),
                            fmt::format("the array ends early: {} was promised", header_.describe()));
  return piece;
}

template <class T>
void NpyReader::read_as(std::span<T> out) {
  if (header_.kind == 'S' || header_.kind == 'U')
    throw base::FormatError(name(), "npy header",
                            fmt::format("holds text ({}) where numbers are needed", header_.describe()));
  while (!out.empty()) {
    const auto piece = out.first(std::min(out.size(), static_cast<std::size_t>(kPiece)));
    const auto bytes = take(static_cast<Index>(piece.size()));
    const std::size_t good = convert_any(header_, bytes, piece);
    if (good < piece.size())
      throw base::FormatError(name(), fmt::format("element {}", position_ + static_cast<Index>(good)),
                              "is no 64-bit integer");
    position_ += static_cast<Index>(piece.size());
    out = out.subspan(piece.size());
  }
}

void NpyReader::read(std::span<float> out) { read_as(out); }
void NpyReader::read(std::span<double> out) { read_as(out); }
void NpyReader::read(std::span<Index> out) { read_as(out); }

void NpyReader::skip(Index elements) {
  while (elements > 0) {
    const Index n = std::min(elements, kPiece);
    take(n);
    position_ += n;
    elements -= n;
  }
}

std::string NpyReader::read_text() {
  if ((header_.kind != 'S' && header_.kind != 'U') || header_.elements() != 1)
    throw base::FormatError(name(), "npy header",
                            fmt::format("is {} where one text is needed", header_.describe()));
  const auto bytes = take(1);
  ++position_;
  std::string text;
  const std::size_t stride = header_.kind == 'U' ? 4 : 1;
  for (std::size_t i = header_.big_endian ? stride - 1 : 0; i < bytes.size(); i += stride)
    if (bytes[i] != '\0') text += bytes[i];
  return text;
}

}  // namespace opx::io
