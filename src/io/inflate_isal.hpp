// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private door to the ISA-L backend of io/inflate.hpp; inflate_isal_stub.cpp stands in where it is off.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "io/inflate.hpp"

namespace opx::io::detail {

[[nodiscard]] bool have_isal() noexcept;
[[nodiscard]] std::uint32_t isal_crc32(std::uint32_t sum, std::span<const char> bytes) noexcept;
[[nodiscard]] std::unique_ptr<Inflater> make_isal_inflater(InflateFormat format);

}  // namespace opx::io::detail
