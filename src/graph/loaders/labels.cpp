// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/loaders/labels.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

#include "graph/loaders/input.hpp"
#include "io/lines.hpp"
#include "io/number.hpp"

namespace opx::graph::loaders {
namespace {

constexpr float kMostClasses = 65536;
constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r'; }

// Calls line(number, text without newline) for each line of a stream.
void for_each_line(std::unique_ptr<io::InputStream> stream,
                   base::FunctionRef<void(Index, std::string_view)> line) {
  io::LineReader lines(std::move(stream));
  for (std::string_view text; lines.next(text);) line(lines.line(), text);
}

void parse_label_line(std::string_view line, const std::string& file, Index number, std::vector<float>& row) {
  row.clear();
  const char* p = line.data();
  const char* const end = p + line.size();
  for (;;) {
    while (p < end && is_blank(*p)) ++p;
    float value = kNone;
    if (p < end && *p != ',') {
      const char* after = io::parse_float(p, end, value);
      while (after != nullptr && after < end && is_blank(*after)) ++after;
      if (after == nullptr || (after < end && *after != ','))
        fail_line(file, number,
                  fmt::format("'{}' is no label", shorten({p, static_cast<std::size_t>(end - p)})));
      p = after;
    }
    row.push_back(value);
    if (p == end) return;
    ++p;
  }
}

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  return line;
}

// A label that cannot be right; null where it can.
const char* class_fault(float v) {
  if (std::isnan(v)) return nullptr;
  if (v < 0) return "is negative (leave the label blank or nan for none)";
  if (v >= kMostClasses) return "is out of range [0, 65536)";
  return std::trunc(v) == v ? nullptr : "is no class: regression is not served";
}

}  // namespace

void LabelTable::fail(Index row, const std::string& what) const {
  throw base::FormatError(file_, fmt::format("{} {}", unit_, row + (unit_ == "line" ? 1 : 0)), what);
}

void LabelTable::add_row(std::span<const float> values) {
  if (rows_ == 0) columns_ = std::ssize(values);
  if (std::ssize(values) != columns_)
    fail(rows_, fmt::format("has {} label columns where the first row has {}", values.size(), columns_));
  for (const float v : values) {
    const char* fault = columns_ == 1 ? class_fault(v) : nullptr;
    if (columns_ > 1 && !std::isnan(v) && v != 0 && v != 1)
      fault = "is neither 0 nor 1 nor nan (several columns: multi-label)";
    if (fault != nullptr) fail(rows_, fmt::format("label {} {}", v, fault));
  }
  values_.insert(values_.end(), values.begin(), values.end());
  ++rows_;
}

LabelData LabelTable::finish(Index vertices) && {
  if (rows_ != vertices)
    throw base::FormatError(file_, "", fmt::format("has {} rows of labels for {} vertices", rows_, vertices));
  LabelData data;
  if (columns_ > 1) {
    data.task = Task::kMultiLabel;
    data.classes = columns_;
    data.targets = std::move(values_);
    return data;
  }
  data.labels.reserve(values_.size());
  for (const float v : values_) data.labels.push_back(std::isnan(v) ? -1 : static_cast<std::int32_t>(v));
  if (!data.labels.empty()) data.classes = *std::ranges::max_element(data.labels) + 1;
  data.task = data.classes > 0 ? Task::kMultiClass : Task::kNone;
  if (data.task == Task::kNone) data.labels.clear();
  return data;
}

LabelData text_labels(std::unique_ptr<io::InputStream> stream, Index vertices) {
  const std::string file = stream->name();
  LabelTable table(file, "line");
  std::vector<float> row;
  for_each_line(std::move(stream), [&](Index number, std::string_view line) {
    const bool blank = std::ranges::all_of(line, is_blank);
    if (blank && table.rows() >= vertices) return;  // after the last vertex
    parse_label_line(line, file, number, row);
    table.add_row(row);
  });
  return std::move(table).finish(vertices);
}

LabelData array_labels(io::NpyReader reader, Index vertices) {
  const auto& header = reader.header();
  const auto& shape = header.shape;
  const Index columns = shape.size() == 2 ? shape[1] : 1;
  if (shape.empty() || shape.size() > 2 || shape[0] != vertices || columns < 1 ||
      (header.fortran && columns > 1 && vertices > 1))
    throw base::FormatError(reader.name(), "npy header",
                            fmt::format("labels must be ({},) or ({}, tasks) in C order, this is {}",
                                        vertices, vertices, header.describe()));
  LabelTable table(reader.name(), "row");
  std::vector<float> row(static_cast<std::size_t>(columns));
  for (Index r = 0; r < vertices; ++r) {
    reader.read(row);
    table.add_row(row);
  }
  return std::move(table).finish(vertices);
}

LabelData file_labels(const std::filesystem::path& path, Index vertices) {
  if (path.extension() == ".npy") return array_labels(io::NpyReader(io::open_input(path)), vertices);
  return text_labels(io::open_input(path), vertices);
}

namespace {

// Rows in the order of the file, to the places of their vertices.
LabelData placed(LabelData rows, const std::vector<Index>& places, Index vertices) {
  LabelData data;
  data.task = rows.task, data.classes = rows.classes;
  if (rows.task == Task::kMultiClass) data.labels.assign(static_cast<std::size_t>(vertices), -1);
  const Index tasks = rows.task == Task::kMultiLabel ? rows.classes : 0;
  data.targets.assign(static_cast<std::size_t>(vertices * tasks), kNone);
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (places[i] < 0) continue;
    if (!data.labels.empty()) data.labels[static_cast<std::size_t>(places[i])] = rows.labels[i];
    std::copy_n(rows.targets.begin() + std::ssize(rows.targets) / std::ssize(places) * static_cast<Index>(i),
                tasks, data.targets.begin() + places[i] * tasks);
  }
  return data;
}

}  // namespace

LabelData keyed_labels(std::unique_ptr<io::InputStream> stream, Index vertices, FindVertex find,
                       Index& unknown) {
  constexpr std::string_view kSeparators = ", \t;";
  const std::string file = stream->name();
  LabelTable table(file, "line");
  std::vector<float> row;
  std::vector<Index> places;
  std::vector<bool> seen(static_cast<std::size_t>(vertices));
  for_each_line(std::move(stream), [&](Index number, std::string_view line) {
    line = trimmed(line);
    const auto end = line.find_first_of(kSeparators);
    if (end == std::string_view::npos)
      fail_line(file, number, fmt::format("'{}' is no id and label", shorten(line)));
    const std::string_view id = line.substr(0, end);
    parse_label_line(line.substr(end + 1), file, number, row);
    table.add_row(row);
    places.push_back(find(id));
    if (places.back() < 0) return void(++unknown);
    if (seen[static_cast<std::size_t>(places.back())])
      fail_line(file, number, fmt::format("vertex '{}' has labels already", shorten(id)));
    seen[static_cast<std::size_t>(places.back())] = true;
  });
  return placed(std::move(table).finish(std::ssize(places)), places, vertices);
}

void SplitTable::add_keyed(std::unique_ptr<io::InputStream> stream, Split split, FindVertex find,
                           Index& unknown) {
  const std::string file = stream->name();
  for_each_line(std::move(stream), [&](Index number, std::string_view line) {
    line = trimmed(line);
    if (line.empty()) return;
    const Index vertex = find(line);
    if (vertex < 0) return void(++unknown);
    add(vertex, split, file, [&] { return fmt::format("line {}", number); });
  });
}

void SplitTable::add(Index vertex, Split split, const std::string& file,
                     const std::function<std::string()>& where) {
  constexpr std::array<std::string_view, 4> kNames = {"none", "train", "valid", "test"};
  if (vertex < 0 || vertex >= vertices_)
    throw base::FormatError(file, where(),
                            fmt::format("vertex id {} is out of range [0, {})", vertex, vertices_));
  if (splits_.empty()) splits_.resize(static_cast<std::size_t>(vertices_), Split::kNone);
  Split& now = splits_[static_cast<std::size_t>(vertex)];
  if (now != Split::kNone && now != split)
    throw base::FormatError(
        file, where(),
        fmt::format("vertex {} is in {} and in {}", vertex, kNames[static_cast<std::size_t>(now)],
                    kNames[static_cast<std::size_t>(split)]));
  now = split;
}

void SplitTable::add_text(std::unique_ptr<io::InputStream> stream, Split split) {
  const std::string file = stream->name();
  for_each_line(std::move(stream), [&](Index number, std::string_view line) {
    line = trimmed(line);
    if (line.empty()) return;
    Index id = 0;
    const char* after = io::parse_index(line.data(), id);
    if (after != line.data() + line.size())
      fail_line(file, number, fmt::format("'{}' is no vertex id", shorten(line)));
    add(id, split, file, [&] { return fmt::format("line {}", number); });
  });
}

void SplitTable::add_array(io::NpyReader reader, Split split) {
  for (Index i = 0; i < reader.header().elements(); ++i) {
    Index id = 0;
    reader.read(std::span(&id, 1));
    add(id, split, reader.name(), [&] { return fmt::format("element {}", i); });
  }
}

void SplitTable::add_file(const std::filesystem::path& path, Split split) {
  if (path.extension() == ".npy")
    add_array(io::NpyReader(io::open_input(path)), split);
  else
    add_text(io::open_input(path), split);
}

}  // namespace opx::graph::loaders
