// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.hpp"
#include "base/timer.hpp"

namespace opx::cli {

std::string progress_line(double fraction, std::string_view detail, double elapsed_seconds, int columns) {
  constexpr int kWidth = 24;
  fraction = std::clamp(fraction, 0.0, 1.0);
  const int full = static_cast<int>(fraction * kWidth);
  std::string bar(static_cast<std::size_t>(full), '=');
  if (full < kWidth) bar += '>';
  bar.resize(kWidth, ' ');
  std::string line = fmt::format("[{}] {:3.0f} % {}", bar, fraction * 100, detail);
  if (fraction > 0 && fraction < 1) {
    line += fmt::format(", {} left", base::format_duration(elapsed_seconds * (1 - fraction) / fraction));
  }
  if (static_cast<int>(line.size()) >= columns)
    line.resize(static_cast<std::size_t>(std::max(columns - 1, 0)));
  return line;
}

Progress::Progress(const Environment& environment)
    : environment_(environment),
      bar_(environment.terminal->err_is_terminal && !environment.quiet),
      start_(base::now_seconds()) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (drawn_) environment_.terminal->err("\r\033[K");
  drawn_ = false;
}

void Progress::update(double fraction, std::string_view detail, bool important) {
  if (environment_.quiet) return;
  const double now = base::now_seconds();
  if (!important && now - last_ < (bar_ ? 0.1 : 2.0)) return;
  last_ = now;
  if (bar_) {
    environment_.terminal->err("\r\033[K" +
                               progress_line(fraction, detail, now - start_, environment_.terminal->columns));
    drawn_ = true;
  } else {
    environment_.terminal->err(fmt::format("{:3.0f} % {}\n", std::clamp(fraction, 0.0, 1.0) * 100, detail));
  }
}

}  // namespace opx::cli
