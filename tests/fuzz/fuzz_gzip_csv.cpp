// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// gunzip by every backend that is compiled in, which must agree, and the csv edge list in the same bytes.
#include "fuzz_support.hpp"
#include "io/gzip.hpp"

namespace {

constexpr std::size_t kMost = std::size_t{1} << 24;

// What a backend makes of a file: its text, or nothing where it throws.
bool unpack(const std::filesystem::path& path, opx::io::InflateBackend backend, std::string& text) {
  try {
    opx::io::GzipStream stream(std::make_unique<opx::io::RangeStream>(opx::io::FileRange::whole(path)),
                               backend);
    text = opx::io::read_all(stream, kMost);
    return true;
  } catch (const opx::base::Error&) {
    return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto path = opx::fuzz::input_file({data, size}, ".csv");
  std::string by_zlib, by_best;
  const bool zlib_good = unpack(path, opx::io::InflateBackend::kZlib, by_zlib);
  const bool best_good = unpack(path, opx::io::best_inflate_backend(), by_best);
  if (zlib_good && best_good && by_zlib != by_best) std::abort();
  opx::fuzz::read_dataset({data, size}, ".csv", "csv");
  return 0;
}
