// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/gzip_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fmt/core.h>
#include <zlib.h>

#include "base/error.hpp"

namespace opx::io {

struct GzipWriter::State {
  gzFile file = nullptr;
  std::string name;
  State(gzFile f, std::string n) : file(f), name(std::move(n)) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (file != nullptr) gzclose(file);
  }
};

GzipWriter::GzipWriter(const std::filesystem::path& path, int level) {
  const std::string mode = fmt::format("wb{}", level);
  state_ = std::make_unique<State>(gzopen(path.c_str(), mode.c_str()), path.string());
  OPX_REQUIRE(state_->file != nullptr, ResourceError, "{}: cannot be created: {}", path.string(),
              std::strerror(errno));
  gzbuffer(state_->file, 1U << 20);
}

GzipWriter::~GzipWriter() = default;

void GzipWriter::write(std::string_view text) {
  constexpr std::size_t kPiece = std::size_t{1} << 28;
  for (; !text.empty(); text.remove_prefix(std::min(kPiece, text.size()))) {
    const auto n = static_cast<unsigned>(std::min(kPiece, text.size()));
    OPX_REQUIRE(gzwrite(state_->file, text.data(), n) == static_cast<int>(n), ResourceError,
                "{}: cannot be written: {}", state_->name, std::strerror(errno));
  }
}

void GzipWriter::close() {
  const int status = gzclose(std::exchange(state_->file, nullptr));
  OPX_REQUIRE(status == Z_OK, ResourceError, "{}: cannot be written: {}", state_->name,
              status == Z_ERRNO ? std::strerror(errno) : "zlib failed");
}

}  // namespace opx::io
