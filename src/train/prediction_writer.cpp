// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/prediction_writer.hpp"

#include <bit>
#include <fstream>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

#include "base/error.hpp"
#include "io/hdf5.hpp"
#include "train/durable.hpp"

namespace opx::train {
namespace {

namespace fs = std::filesystem;

/// The name under which a file is written; a file that was not finished is removed.
class PendingFile {
 public:
  explicit PendingFile(const fs::path& output) : output_(output), name_(fs::path(output) += ".tmp") {}
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  ~PendingFile() {
    std::error_code ignored;
    if (!finished_) fs::remove(name_, ignored);
  }
  [[nodiscard]] const fs::path& name() const noexcept { return name_; }
  void finish() {
    rename_path(name_, output_);
    finished_ = true;
  }

 private:
  fs::path output_, name_;
  bool finished_ = false;
};

std::vector<std::int32_t> integers(std::span<const float> rows) {
  std::vector<std::int32_t> out(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) out[i] = static_cast<std::int32_t>(rows[i]);
  return out;
}

class H5Writer final : public PredictionWriter {
 public:
  H5Writer(const fs::path& output, const PredictionShape& shape)
      : pending_(output), shape_(shape), file_(io::H5File::create(pending_.name())) {
    std::vector<Index> extent{shape.vertices};
    if (!shape.vector) extent.push_back(shape.columns);
    values_ = file_.create_dataset("prediction", shape.integers ? io::H5Type::kInt32 : io::H5Type::kFloat32,
                                   extent);
    values_.set_attribute("columns", shape.column_name);
    ids_ = file_.create_dataset("original_id", io::H5Type::kInt64, {shape.vertices});
    file_.set_attribute("format", "orthoplex-prediction");
  }
  void write(Index first, std::span<const float> rows, std::span<const std::string> names) override {
    if (rows.empty()) return;
    if (!names.empty()) write_names(first, names);
    if (shape_.integers)
      values_.write(first, std::span<const std::int32_t>(integers(rows)));
    else
      values_.write(first, rows);
    std::vector<Index> ids(rows.size() / static_cast<std::size_t>(shape_.columns));
    std::iota(ids.begin(), ids.end(), first);
    ids_.write(first, std::span<const Index>(ids));
  }
  void finish() override {
    file_.close(true);
    pending_.finish();
  }

 private:
  /// Bytes one after the other and where each name ends, as in the store.
  void write_names(Index first, std::span<const std::string> names) {
    constexpr Index kChunk = Index{1} << 16;
    if (name_ends_.shape().empty()) {
      name_ends_ = file_.create_dataset("name_ends", io::H5Type::kInt64, {shape_.vertices});
      name_bytes_ = file_.create_dataset("name_bytes", io::H5Type::kUint8, {0}, {.chunk_rows = kChunk});
    }
    std::vector<Index> ends;
    std::vector<std::uint8_t> bytes;
    const Index before = name_bytes_.rows();
    for (const std::string& name : names) {
      bytes.insert(bytes.end(), name.begin(), name.end());
      ends.push_back(before + static_cast<Index>(bytes.size()));
    }
    name_ends_.write(first, std::span<const Index>(ends));
    if (bytes.empty()) return;
    name_bytes_.resize(before + static_cast<Index>(bytes.size()));
    name_bytes_.write(before, std::span<const std::uint8_t>(bytes));
  }

  PendingFile pending_;
  PredictionShape shape_;
  io::H5File file_;
  io::H5Dataset values_, ids_, name_ends_, name_bytes_;
};

/// What npy and csv share: a stream that is checked and renamed.
class StreamWriter : public PredictionWriter {
 public:
  void finish() override {
    out_.close();
    check();
    pending_.finish();
  }

 protected:
  explicit StreamWriter(const fs::path& output) : pending_(output), out_(pending_.name(), std::ios::binary) {
    check();
  }
  void put(const char* data, std::size_t size) {
    out_.write(data, static_cast<std::streamsize>(size));
    check();
  }

 private:
  void check() {
    OPX_REQUIRE(out_.good(), ResourceError, "cannot write {} (no permission, or disk full)",
                pending_.name().string());
  }
  PendingFile pending_;
  std::ofstream out_;
};

class NpyWriter final : public StreamWriter {
 public:
  NpyWriter(const fs::path& output, const PredictionShape& shape)
      : StreamWriter(output), integers_(shape.integers) {
    static_assert(std::endian::native == std::endian::little);
    const std::string extent = shape.vector ? fmt::format("({},)", shape.vertices)
                                            : fmt::format("({}, {})", shape.vertices, shape.columns);
    std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                     integers_ ? "<i4" : "<f4", extent);
    constexpr std::size_t kPreamble = 10, kMultiple = 64;
    header.append(kMultiple - (kPreamble + header.size() + 1) % kMultiple, ' ');
    header += '\n';
    const auto length = static_cast<std::uint16_t>(header.size());
    std::string start("\x93NUMPY\x01\x00", 8);
    start += static_cast<char>(length & 0xFF);
    start += static_cast<char>(length >> 8);
    start += header;
    put(start.data(), start.size());
  }
  void write(Index, std::span<const float> rows, std::span<const std::string>) override {
    if (!integers_) return put(reinterpret_cast<const char*>(rows.data()), rows.size_bytes());
    const std::vector<std::int32_t> values = integers(rows);
    put(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::int32_t));
  }

 private:
  bool integers_;
};

class CsvWriter final : public StreamWriter {
 public:
  CsvWriter(const fs::path& output, const PredictionShape& shape) : StreamWriter(output), shape_(shape) {
    std::string header = "vertex";
    for (Index c = 0; c < shape.columns; ++c)
      header += shape.vector ? "," + shape.column_name : fmt::format(",{}{}", shape.column_name, c);
    header += '\n';
    put(header.data(), header.size());
  }
  void write(Index first, std::span<const float> rows, std::span<const std::string> names) override {
    fmt::memory_buffer text;
    auto to = std::back_inserter(text);
    const auto columns = static_cast<std::size_t>(shape_.columns);
    for (std::size_t i = 0; i * columns < rows.size(); ++i) {
      if (names.empty() || names[i].empty())
        fmt::format_to(to, "{}", first + static_cast<Index>(i));
      else
        append_quoted(text, names[i]);
      for (std::size_t c = 0; c < columns; ++c) {
        const float v = rows[i * columns + c];
        if (shape_.integers)
          fmt::format_to(to, ",{}", static_cast<std::int32_t>(v));
        else
          fmt::format_to(to, ",{}", v);
      }
      text.push_back('\n');
    }
    put(text.data(), text.size());
  }

 private:
  static void append_quoted(fmt::memory_buffer& text, const std::string& name) {
    if (name.find_first_of(",\"\r\n") == std::string::npos) return text.append(name);
    text.push_back('"');
    for (const char c : name) {
      if (c == '"') text.push_back('"');
      text.push_back(c);
    }
    text.push_back('"');
  }
  PredictionShape shape_;
};

}  // namespace

void check_prediction_output(const fs::path& output) {
  const std::string extension = output.extension().string();
  OPX_REQUIRE(extension == ".h5" || extension == ".npy" || extension == ".csv", InvalidArgument,
              "output {} must end in .h5, .npy or .csv", output.string());
}

std::unique_ptr<PredictionWriter> make_prediction_writer(const fs::path& output,
                                                         const PredictionShape& shape) {
  check_prediction_output(output);
  if (output.has_parent_path()) make_folders(output.parent_path());
  if (output.extension() == ".h5") return std::make_unique<H5Writer>(output, shape);
  if (output.extension() == ".npy") return std::make_unique<NpyWriter>(output, shape);
  return std::make_unique<CsvWriter>(output, shape);
}

}  // namespace opx::train
