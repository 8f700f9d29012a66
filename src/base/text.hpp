// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Small text helpers: sizes with units, counts with separators, the nearest name for "did you mean".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace opx::base {

/// "2GiB", "512MiB", "1.5G" (binary), "4096" -> bytes. Throws InvalidArgument that names `what`.
[[nodiscard]] std::int64_t parse_bytes(std::string_view text, std::string_view what);
/// 2147483648 -> "2.0 GiB".
[[nodiscard]] std::string format_bytes(double bytes);
/// 1234567 -> "1,234,567".
[[nodiscard]] std::string format_count(std::int64_t n);
/// 3725.0 -> "1:02:05"; below a minute "12.3 s".
[[nodiscard]] std::string format_duration(double seconds);
/// The candidate of least edit distance (at most a third of its length away), or empty.
[[nodiscard]] std::string nearest(std::string_view word, std::span<const std::string> candidates);
/// "; did you mean 'x'?" or empty.
[[nodiscard]] std::string did_you_mean(std::string_view word, std::span<const std::string> candidates);
/// Which of `names` is `text`. Throws InvalidArgument "<what> '<text>' is unknown (one of a, b); did you
/// mean 'b'?".
[[nodiscard]] std::size_t index_of_name(std::string_view text, std::span<const std::string_view> names,
                                        std::string_view what);
/// `text` for one line of a terminal: newlines as spaces, other control characters and bytes that are not
/// UTF-8 as \\x1b.
[[nodiscard]] std::string printable_line(std::string_view text);
[[nodiscard]] std::vector<std::string> split_text(std::string_view text, char separator);

}  // namespace opx::base
