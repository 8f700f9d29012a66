// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/inflate.hpp"

#include <algorithm>
#include <limits>

#include <zlib.h>

#include "base/error.hpp"
#include "io/inflate_isal.hpp"

namespace opx::io {
namespace {

constexpr std::size_t kMost = std::numeric_limits<uInt>::max();

class ZlibInflater final : public Inflater {
 public:
  explicit ZlibInflater(InflateFormat format) {
    const int window_bits = format == InflateFormat::kGzip ? MAX_WBITS + 16 : -MAX_WBITS;
    OPX_REQUIRE(inflateInit2(&state_, window_bits) == Z_OK, OutOfMemory,
                "no memory for zlib's inflate state");
  }
  ZlibInflater(const ZlibInflater&) = delete;
  ZlibInflater& operator=(const ZlibInflater&) = delete;
  ~ZlibInflater() override { inflateEnd(&state_); }

  InflateStep step(std::span<const char> in, std::span<char> out) override {
    const auto in_size = static_cast<uInt>(std::min(in.size(), kMost));
    const auto out_size = static_cast<uInt>(std::min(out.size(), kMost));
    state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // zlib does not write to it
    state_.avail_in = in_size;
    state_.next_out = reinterpret_cast<Bytef*>(out.data());
    state_.avail_out = out_size;
    const int result = inflate(&state_, Z_NO_FLUSH);
    InflateStep step{in_size - state_.avail_in, out_size - state_.avail_out, result == Z_STREAM_END, nullptr};
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
      step.error = state_.msg != nullptr ? state_.msg : "invalid deflate data";
    return step;
  }
  void reset() override { inflateReset(&state_); }

 private:
  z_stream state_{};
};

}  // namespace

InflateBackend best_inflate_backend() noexcept {
  return detail::have_isal() ? InflateBackend::kIsal : InflateBackend::kZlib;
}

std::unique_ptr<Inflater> make_inflater(InflateFormat format, InflateBackend backend) {
  if (backend == InflateBackend::kIsal) return detail::make_isal_inflater(format);
  return std::make_unique<ZlibInflater>(format);
}

}  // namespace opx::io
