// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/checksum.hpp"

#include <new>
#include <vector>

#include <xxhash.h>
#include <zlib.h>

#include "base/error.hpp"
#include "io/file.hpp"
#include "io/inflate_isal.hpp"

namespace opx::io {

struct Checksum::State {
  State() : xxh(XXH3_createState()) {
    if (xxh == nullptr || XXH3_128bits_reset(xxh) != XXH_OK) throw std::bad_alloc();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { XXH3_freeState(xxh); }
  XXH3_state_t* xxh;
};

Checksum::Checksum() : state_(std::make_unique<State>()) {}
Checksum::Checksum(Checksum&&) noexcept = default;
Checksum& Checksum::operator=(Checksum&&) noexcept = default;
Checksum::~Checksum() = default;

void Checksum::add(std::span<const char> bytes) {
  OPX_REQUIRE(XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size()) == XXH_OK, InternalError,
              "xxh3 refused {} bytes", bytes.size());
}

std::string Checksum::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh));
  std::string text;
  for (const unsigned char byte : canonical.digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string file_checksum(const std::filesystem::path& path) {
  const auto file = File::open(path);
  std::vector<char> block(std::size_t{1} << 20);
  Checksum sum;
  std::int64_t offset = 0;
  for (;;) {
    const std::size_t n = file->read_at(offset, block);
    sum.add({block.data(), n});
    offset += static_cast<std::int64_t>(n);
    if (n < block.size()) return sum.hex();
  }
}

std::uint32_t crc32(std::uint32_t sum, std::span<const char> bytes) noexcept {
  if (detail::have_isal()) return detail::isal_crc32(sum, bytes);
  return static_cast<std::uint32_t>(
      ::crc32_z(sum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

}  // namespace opx::io
