// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/gzip.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace opx::io {
namespace {
constexpr std::size_t kBuffer = std::size_t{256} << 10;
}

GzipStream::GzipStream(std::unique_ptr<InputStream> source, InflateBackend backend)
    : source_(std::move(source)), inflater_(make_inflater(InflateFormat::kGzip, backend)), buffer_(kBuffer) {}

void GzipStream::fail(std::string_view what) const {
  throw base::FormatError(name(), fmt::format("offset {}", offset_), fmt::format("gzip: {}", what));
}

bool GzipStream::refill() {
  if (source_ended_) return false;
  const std::size_t n = source_->read(buffer_);
  source_ended_ = n < buffer_.size();
  in_ = {buffer_.data(), n};
  return n > 0;
}

// True where another member follows; zero padding up to the end of the file is what tape blocks leave behind.
bool GzipStream::start_member() {
  bool padded = false;
  for (;;) {
    if (in_.empty() && !refill()) {
      if (first_) fail("the file is empty");
      return false;
    }
    if (first_ || in_.front() != '\0') break;
    in_ = in_.subspan(1);
    ++offset_;
    padded = true;
  }
  if (padded || (!first_ && in_.front() != '\x1f')) fail("bytes after the last member that are no gzip data");
  if (!first_) inflater_->reset();
  first_ = false;
  return true;
}

std::size_t GzipStream::read(std::span<char> out) {
  std::size_t done = 0;
  while (done < out.size() && !ended_) {
    if (!in_member_) {
      in_member_ = start_member();
      ended_ = !in_member_;
      continue;
    }
    const InflateStep step = inflater_->step(in_, out.subspan(done));
    in_ = in_.subspan(step.consumed);
    offset_ += static_cast<std::int64_t>(step.consumed);
    done += step.produced;
    if (step.error != nullptr) fail(step.error);
    if (step.member_done) {
      in_member_ = false;
    } else if (step.consumed == 0 && step.produced == 0) {
      if (!in_.empty()) fail("invalid deflate data");
      if (!refill()) fail("truncated: the file ends within a member");
    }
  }
  return done;
}

}  // namespace opx::io
