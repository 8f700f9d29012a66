// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The check of `doctor`: a small graph is generated, prepared and trained on several grids of ranks as
// threads.
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"

namespace opx::cli {

struct SelfCheck {
  struct Run {
    std::string grid;
    double loss = 0, test_accuracy = 0;
  };
  std::vector<Run> runs;          ///< the first is the single rank
  double largest_difference = 0;  ///< of a loss from the single rank's, relative
  double seconds = 0;
  bool good = false;  ///< losses agree to 1e-4 and the model has learned
};

/// Throws what training throws.
[[nodiscard]] SelfCheck run_self_check(const Environment& environment);

}  // namespace opx::cli
