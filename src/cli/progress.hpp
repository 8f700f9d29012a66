// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Progress on stderr: one bar with ETA that redraws itself on a terminal, a plain line now and then
// otherwise, nothing with --quiet.
#pragma once

#include <string>
#include <string_view>

#include "cli/command.hpp"

namespace opx::cli {

/// "[=====>    ]  50 % epoch 10/20 loss 0.53, 3.2 s left", cut to `columns`.
[[nodiscard]] std::string progress_line(double fraction, std::string_view detail, double elapsed_seconds,
                                        int columns);

class Progress {
 public:
  explicit Progress(const Environment& environment);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  ///< clears the bar

  /// `fraction` in [0, 1]. Redraws at most ten times a second; as plain lines at most once in two seconds.
  /// `important` lines are always written.
  void update(double fraction, std::string_view detail, bool important = false);
  /// Takes the bar away so that other text can be written.
  void clear();

 private:
  const Environment& environment_;
  bool bar_;
  double start_, last_ = -1e9;
  bool drawn_ = false;
};

}  // namespace opx::cli
