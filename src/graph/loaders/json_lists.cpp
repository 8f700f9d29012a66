// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/loaders/json_lists.hpp"

#include <istream>
#include <streambuf>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace opx::graph::loaders {
namespace {

class StreamBuffer final : public std::streambuf {
 public:
  explicit StreamBuffer(io::InputStream& stream) : stream_(stream), bytes_(std::size_t{1} << 18) {}

 private:
  int_type underflow() override {
    const std::size_t n = stream_.read(bytes_);
    setg(bytes_.data(), bytes_.data(), bytes_.data() + n);
    return n == 0 ? traits_type::eof() : traits_type::to_int_type(bytes_.front());
  }
  io::InputStream& stream_;
  std::vector<char> bytes_;
};

using Json = nlohmann::json;

class ListHandler final : public nlohmann::json_sax<Json> {
 public:
  using Entry = std::function<void(const std::string&, std::span<const double>)>;
  explicit ListHandler(const Entry& entry) : entry_(entry) {}

  bool null() override { return refuse("null"); }
  bool boolean(bool value) override { return number(value ? 1 : 0); }
  bool number_integer(number_integer_t value) override { return number(static_cast<double>(value)); }
  bool number_unsigned(number_unsigned_t value) override { return number(static_cast<double>(value)); }
  bool number_float(number_float_t value, const string_t&) override { return number(value); }
  bool string(string_t&) override { return refuse("a string"); }
  bool binary(binary_t&) override { return refuse("binary data"); }
  bool start_object(std::size_t) override { return depth_++ == 0 || refuse("an object in an object"); }
  bool end_object() override { return true; }
  bool key(string_t& key) override {
    key_ = key;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 1 || in_list_) return refuse("a list in a list");
    in_list_ = true;
    numbers_.clear();
    return true;
  }
  bool end_array() override {
    in_list_ = false;
    entry_(key_, numbers_);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const Json::exception& error) override {
    position_ = position;
    message_ = error.what();
    return false;
  }

  [[nodiscard]] std::size_t position() const { return position_; }
  [[nodiscard]] const std::string& message() const { return message_; }

 private:
  bool number(double value) {
    if (depth_ != 1) return refuse("a number");
    if (in_list_) {
      numbers_.push_back(value);
    } else {
      entry_(key_, {&value, 1});
    }
    return true;
  }
  bool refuse(const char* what) {
    message_ = fmt::format("{} where numbers or lists of numbers by key are needed (key '{}')", what, key_);
    return false;
  }

  const Entry& entry_;
  std::string key_, message_;
  std::vector<double> numbers_;
  std::size_t position_ = 0;
  int depth_ = 0;
  bool in_list_ = false;
};

}  // namespace

void read_json_lists(std::unique_ptr<io::InputStream> stream,
                     const std::function<void(const std::string&, std::span<const double>)>& entry) {
  StreamBuffer buffer(*stream);
  std::istream text(&buffer);
  text.exceptions(std::ios::badbit);  // so that what the stream throws comes through
  ListHandler handler(entry);
  if (!Json::sax_parse(text, &handler))
    throw base::FormatError(stream->name(), fmt::format("offset {}", handler.position()), handler.message());
}

}  // namespace opx::graph::loaders
