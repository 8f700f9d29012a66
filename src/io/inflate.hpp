// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Streaming decompression of deflate data: ISA-L where it is compiled in, else zlib.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace opx::io {

enum class InflateFormat : std::uint8_t { kGzip, kRaw };
enum class InflateBackend : std::uint8_t { kZlib, kIsal };

/// What one step of an Inflater did.
struct InflateStep {
  std::size_t consumed = 0, produced = 0;
  bool member_done = false;     ///< the deflate stream (and the gzip trailer) ended here
  const char* error = nullptr;  ///< why the data are damaged, or null
};

class Inflater {
 public:
  virtual ~Inflater() = default;
  /// Turns some of `in` into some of `out`. Neither consumed nor produced anything: more input is needed.
  [[nodiscard]] virtual InflateStep step(std::span<const char> in, std::span<char> out) = 0;
  /// Ready for the next member.
  virtual void reset() = 0;
};

[[nodiscard]] InflateBackend best_inflate_backend() noexcept;
/// Throws NotCompiled for a backend that this build leaves out.
[[nodiscard]] std::unique_ptr<Inflater> make_inflater(InflateFormat format,
                                                      InflateBackend backend = best_inflate_backend());

}  // namespace opx::io
