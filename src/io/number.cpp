// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "io/number.hpp"

#include <fast_float/fast_float.h>

namespace opx::io {
namespace {

template <class T>
const char* parse(const char* p, const char* end, T& out) noexcept {
  if (p < end && *p == '+') ++p;
  const auto [after, error] = fast_float::from_chars(p, end, out);
  return error == std::errc() ? after : nullptr;
}

}  // namespace

const char* parse_float(const char* p, const char* end, float& out) noexcept { return parse(p, end, out); }
const char* parse_double(const char* p, const char* end, double& out) noexcept { return parse(p, end, out); }

}  // namespace opx::io
