// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Streaming gunzip: any number of members, checksums verified, zero padding after the last member ignored.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/inflate.hpp"
#include "io/stream.hpp"

namespace opx::io {

[[nodiscard]] inline bool has_gzip_magic(std::string_view head) noexcept {
  return head.size() >= 2 && head[0] == '\x1f' && head[1] == '\x8b';
}

class GzipStream final : public InputStream {
 public:
  explicit GzipStream(std::unique_ptr<InputStream> source, InflateBackend backend = best_inflate_backend());
  /// Throws FormatError with the compressed offset: truncated file, damaged data, wrong checksum, bytes after
  /// the end.
  std::size_t read(std::span<char> out) override;
  const std::string& name() const noexcept override { return source_->name(); }
  double progress() const noexcept override { return source_->progress(); }

 private:
  bool refill();
  bool start_member();
  [[noreturn]] void fail(std::string_view what) const;

  std::unique_ptr<InputStream> source_;
  std::unique_ptr<Inflater> inflater_;
  std::vector<char> buffer_;
  std::span<const char> in_;
  std::int64_t offset_ = 0;  ///< compressed bytes consumed
  bool source_ended_ = false, in_member_ = false, first_ = true, ended_ = false;
};

}  // namespace opx::io
