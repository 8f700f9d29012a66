// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"
#include "io/inflate_isal.hpp"

namespace opx::io::detail {

bool have_isal() noexcept { return false; }

std::uint32_t isal_crc32(std::uint32_t sum, std::span<const char>) noexcept { return sum; }

std::unique_ptr<Inflater> make_isal_inflater(InflateFormat) {
  throw base::NotCompiled("ISA-L is not compiled in (OPX_WITH_ISAL)");
}

}  // namespace opx::io::detail
