// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/inflate_isal.hpp"

#include <algorithm>
#include <limits>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

namespace opx::io::detail {
namespace {

constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();

const char* explain(int result) {
  switch (result) {
    case ISAL_INVALID_BLOCK:
      return "invalid deflate block";
    case ISAL_INVALID_SYMBOL:
      return "invalid deflate symbol";
    case ISAL_INVALID_LOOKBACK:
      return "deflate distance beyond the data";
    case ISAL_INVALID_WRAPPER:
      return "no gzip header";
    case ISAL_UNSUPPORTED_METHOD:
      return "gzip method that is not deflate";
    case ISAL_INCORRECT_CHECKSUM:
      return "checksum differs from the data";
    default:
      return "invalid deflate data";
  }
}

class IsalInflater final : public Inflater {
 public:
  explicit IsalInflater(InflateFormat format) : format_(format) {
    isal_inflate_init(&state_);
    set_format();
  }

  InflateStep step(std::span<const char> in, std::span<char> out) override {
    const auto in_size = static_cast<std::uint32_t>(std::min(in.size(), kMost));
    const auto out_size = static_cast<std::uint32_t>(std::min(out.size(), kMost));
    state_.next_in =
        reinterpret_cast<std::uint8_t*>(const_cast<char*>(in.data()));  // ISA-L does not write to it
    state_.avail_in = in_size;
    state_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state_.avail_out = out_size;
    const int result = isal_inflate(&state_);
    InflateStep step{in_size - state_.avail_in, out_size - state_.avail_out,
                     state_.block_state == ISAL_BLOCK_FINISH, nullptr};
    if (result < 0 || result == ISAL_NEED_DICT) step.error = explain(result);
    return step;
  }
  void reset() override {
    isal_inflate_reset(&state_);
    set_format();
  }

 private:
  void set_format() { state_.crc_flag = format_ == InflateFormat::kGzip ? ISAL_GZIP : ISAL_DEFLATE; }

  InflateFormat format_;
  inflate_state state_{};
};

}  // namespace

bool have_isal() noexcept { return true; }

std::uint32_t isal_crc32(std::uint32_t sum, std::span<const char> bytes) noexcept {
  return crc32_gzip_refl(sum, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

std::unique_ptr<Inflater> make_isal_inflater(InflateFormat format) {
  return std::make_unique<IsalInflater>(format);
}

}  // namespace opx::io::detail
