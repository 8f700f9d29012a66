// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "graph/loaders/features.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <vector>

#include "graph/loaders/input.hpp"
#include "io/lines.hpp"
#include "io/number.hpp"

namespace opx::graph::loaders {
namespace {

constexpr std::size_t kChunksAtOnce = 16;

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r'; }

// A chunk that is parsed line by line, perhaps over several calls.
struct Cursor {
  const io::LineChunk* chunk;
  const char* at;
  Index line;
  [[nodiscard]] Index lines_left() const { return chunk->first_line + chunk->lines - line; }
};

class TextFeatures final : public FeatureSource {
 public:
  TextFeatures(std::unique_ptr<io::InputStream> stream, Index vertices, device::Context* context)
      : lines_(std::move(stream)), context_(context), vertices_(vertices) {
    if (vertices_ > 0 && !refill()) ended_early();
    if (vertices_ > 0)
      count_columns();
    else
      expect_end();
  }

  Index dim() const override { return dim_; }

  void read(tensor::MatrixView<float> rows) override {
    OPX_REQUIRE(rows.cols == dim_ && rows.rows <= vertices_ - row_, DimensionMismatch,
                "{} rows of {} asked for, {} of {} are left", rows.rows, rows.cols, vertices_ - row_, dim_);
    Index done = 0;
    while (done < rows.rows) {
      if (first_ == cursors_.size() && !refill()) ended_early();
      done += parse_held(rows.middle_rows({done, rows.rows}));
    }
    if (row_ == vertices_ && rows.rows > 0) expect_end();
  }

 private:
  struct Part {
    Cursor* cursor;
    Range rows;
  };

  bool refill() {
    cursors_.clear();
    first_ = 0;
    if (!lines_.next(chunks_, kChunksAtOnce)) return false;
    for (const auto& chunk : chunks_) cursors_.push_back({&chunk, chunk.begin(), chunk.first_line});
    return true;
  }

  void count_columns() {
    const char* p = chunks_.front().begin();
    const auto line =
        std::string_view(p, static_cast<std::size_t>(std::find(p, chunks_.front().end(), '\n') - p));
    const auto at = line.find_first_of(",;");
    separator_ = at != std::string_view::npos ? line[at] : ' ';
    if (separator_ != ' ') {
      dim_ = 1 + std::count(line.begin(), line.end(), separator_);
    } else {
      bool in_word = false;
      for (const char c : line) dim_ += !is_blank(c) && !in_word, in_word = !is_blank(c);
    }
    if (dim_ == 0) fail_line(lines_.name(), 1, "is empty where features are needed");
  }

  // Parses as many rows as are wanted and held, chunks in parallel; returns how many.
  Index parse_held(tensor::MatrixView<float> rows) {
    std::vector<Part> parts;
    Index done = 0;
    for (std::size_t i = first_; i < cursors_.size() && done < rows.rows; ++i) {
      const Index n = std::min(cursors_[i].lines_left(), rows.rows - done);
      parts.push_back({&cursors_[i], {done, done + n}});
      done += n;
    }
    parallel_for(context_, static_cast<Index>(parts.size()), [&](Index i) {
      const Part& part = parts[static_cast<std::size_t>(i)];
      for (Index r = part.rows.begin; r < part.rows.end; ++r) parse_row(*part.cursor, rows.row(r));
    });
    while (first_ < cursors_.size() && cursors_[first_].lines_left() == 0) ++first_;
    row_ += done;
    return done;
  }

  void parse_row(Cursor& cursor, float* out) const {
    const char* p = cursor.at;
    const char* const end = cursor.chunk->end();
    for (Index column = 0; column < dim_; ++column) {
      // "0," and "1,": most of a bag of words
      if (column + 1 < dim_ && p[1] == separator_ && p[0] >= '0' && p[0] <= '9') {
        out[column] = static_cast<float>(p[0] - '0');
        p += 2;
      } else {
        p = parse_value(cursor, p, end, column, out[column]);
      }
    }
    if (*p != '\n') fail_line(lines_.name(), cursor.line, fmt::format("has more than {} columns", dim_));
    cursor.at = p + 1;
    ++cursor.line;
  }

  // Reads one value and what separates it from the next.
  const char* parse_value(const Cursor& cursor, const char* p, const char* end, Index column,
                          float& value) const {
    while (is_blank(*p)) ++p;
    const char* after = io::parse_float(p, end, value);
    if (after == nullptr || !std::isfinite(value)) fail_value(cursor, p, column);
    while (is_blank(*after)) ++after;
    if (column + 1 == dim_) return after;
    if (*after == '\n')
      fail_line(lines_.name(), cursor.line,
                fmt::format("has {} columns where {} are needed", column + 1, dim_));
    if (separator_ == ' ') return after;
    if (*after != separator_) fail_value(cursor, p, column);
    return after + 1;
  }

  [[noreturn]] void fail_value(const Cursor& cursor, const char* p, Index column) const {
    const char* end = p;
    while (*end != '\n' && *end != separator_) ++end;
    const std::string word = shorten({p, static_cast<std::size_t>(end - p)});
    if (word.empty() && *end == '\n')
      fail_line(lines_.name(), cursor.line, fmt::format("has {} columns where {} are needed", column, dim_));
    fail_line(lines_.name(), cursor.line,
              fmt::format("column {}: '{}' is no finite number", column + 1, word));
  }

  [[noreturn]] void ended_early() const {
    fail_line(lines_.name(), row_ + 1, fmt::format("the file ends after {} rows of {}", row_, vertices_));
  }

  // Nothing but blank lines may follow the last row; reading on also checks the checksums at the end.
  void expect_end() {
    do {
      for (; first_ < cursors_.size(); ++first_) {
        const Cursor& cursor = cursors_[first_];
        if (std::all_of(cursor.at, cursor.chunk->end(), [](char c) { return is_blank(c) || c == '\n'; }))
          continue;
        fail_line(lines_.name(), cursor.line, fmt::format("a row beyond the {} vertices", vertices_));
      }
    } while (refill());
  }

  io::LineChunks lines_;
  device::Context* context_;
  Index vertices_, dim_ = 0, row_ = 0;
  char separator_ = ',';
  std::vector<io::LineChunk> chunks_;
  std::vector<Cursor> cursors_;
  std::size_t first_ = 0;  ///< the first cursor with lines left
};

void check_finite(std::span<const float> values, const std::string& name, Index row, Index dim) {
  const auto bad = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const Index at = bad - values.begin();
  throw base::FormatError(
      name, fmt::format("row {}", row + at / dim),
      fmt::format("column {}: {}", at % dim,
                  std::isnan(*bad) ? "nan is no finite number" : "infinity, or a number beyond fp32"));
}

class ArrayFeatures final : public FeatureSource {
 public:
  ArrayFeatures(io::NpyReader reader, Index vertices, const std::filesystem::path& temporary_folder)
      : reader_(std::move(reader)), vertices_(vertices) {
    const auto& header = reader_.header();
    if (header.shape.size() != 2 || header.shape[0] != vertices)
      throw base::FormatError(
          reader_.name(), "npy header",
          fmt::format("features must have {} rows, this is {}", vertices, header.describe()));
    dim_ = header.shape[1];
    if (header.fortran && vertices > 1 && dim_ > 1) spill(temporary_folder);
  }

  Index dim() const override { return dim_; }

  void read(tensor::MatrixView<float> rows) override {
    OPX_REQUIRE(rows.cols == dim_ && rows.rows <= vertices_ - row_, DimensionMismatch,
                "{} rows of {} asked for, {} of {} are left", rows.rows, rows.cols, vertices_ - row_, dim_);
    if (columns_)
      read_columns(rows);
    else
      read_rows(rows);
    row_ += rows.rows;
  }

 private:
  void read_rows(tensor::MatrixView<float> rows) {
    for (Index r = 0; r < rows.rows; ++r) {
      const std::span<float> row(rows.row(r), static_cast<std::size_t>(dim_));
      reader_.read(row);
      check_finite(row, reader_.name(), row_ + r, dim_);
    }
  }

  // Columns as fp32, one after the other, in a temporary file.
  void spill(const std::filesystem::path& folder) {
    columns_.emplace(folder);
    std::vector<float> piece(std::size_t{1} << 18);
    for (Index left = vertices_ * dim_; left > 0;) {
      const auto part =
          std::span(piece).first(static_cast<std::size_t>(std::min<Index>(left, std::ssize(piece))));
      reader_.read(part);
      columns_->append({reinterpret_cast<const char*>(part.data()), part.size_bytes()});
      left -= std::ssize(part);
    }
  }

  void read_columns(tensor::MatrixView<float> rows) {
    std::vector<float> column(static_cast<std::size_t>(rows.rows));
    for (Index c = 0; c < dim_; ++c) {
      columns_->read_at((c * vertices_ + row_) * static_cast<Index>(sizeof(float)),
                        {reinterpret_cast<char*>(column.data()), column.size() * sizeof(float)});
      for (Index r = 0; r < rows.rows; ++r) rows(r, c) = column[static_cast<std::size_t>(r)];
    }
    for (Index r = 0; r < rows.rows; ++r)
      check_finite({rows.row(r), static_cast<std::size_t>(dim_)}, reader_.name(), row_ + r, dim_);
  }

  io::NpyReader reader_;
  Index vertices_, dim_ = 0, row_ = 0;
  std::optional<io::TemporaryFile> columns_;
};

bool is_npy(const std::filesystem::path& path) { return path.extension() == ".npy"; }

io::NpyReader open_npy(const std::filesystem::path& path) {
  return io::NpyReader(std::make_unique<io::PrefetchStream>(io::open_input(path)));
}

}  // namespace

std::unique_ptr<FeatureSource> text_features(std::unique_ptr<io::InputStream> stream, Index vertices,
                                             device::Context* context) {
  return std::make_unique<TextFeatures>(std::move(stream), vertices, context);
}

std::unique_ptr<FeatureSource> array_features(io::NpyReader reader, Index vertices,
                                              const std::filesystem::path& temporary_folder) {
  return std::make_unique<ArrayFeatures>(
      std::move(reader), vertices,
      temporary_folder.empty() ? std::filesystem::temp_directory_path() : temporary_folder);
}

std::unique_ptr<FeatureSource> file_features(const std::filesystem::path& path, Index vertices,
                                             const OpenOptions& options) {
  if (is_npy(path)) return array_features(open_npy(path), vertices, options.temporary_folder);
  return text_features(io::open_input(path), vertices, options.context);
}

Index count_rows(const std::filesystem::path& path) {
  if (is_npy(path)) {
    const io::NpyReader reader(io::open_input(path));
    return reader.header().shape.empty() ? 0 : reader.header().shape[0];
  }
  io::LineChunks lines(io::open_input(path));
  std::vector<io::LineChunk> chunks;
  Index rows = 0;
  while (lines.next(chunks, kChunksAtOnce))
    for (const auto& chunk : chunks) rows += chunk.lines;
  return rows;
}

}  // namespace opx::graph::loaders
