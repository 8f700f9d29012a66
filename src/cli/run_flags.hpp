// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of run options (train/options.hpp) as flags of a subcommand.
#pragma once

#include <deque>
#include <string>

#include "train/option_effects.hpp"
#include "train/options.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace opx::cli {

/// A configuration and what of it the user asked for, by flag or in --config.
struct RunChoice {
  train::RunConfig config;
  train::GivenOptions given;

  /// Completes and checks the configuration: what was asked for and has no effect is refused; what has none
  /// and comes from elsewhere (the run that goes on) goes back to its default.
  void finish();
};

class RunFlags {
 public:
  /// Adds --config and the flag of every option for which `wanted` holds (all by default).
  explicit RunFlags(CLI::App& app, bool (*wanted)(const train::Option&) = nullptr);

  /// `base`, overridden by --config and then by flags. A key of --config that is no option of this command is
  /// refused (InvalidArgument with file and line), but for `dataset`.
  [[nodiscard]] RunChoice read(train::RunConfig base = {}) const;

 private:
  struct Slot {
    const train::Option* option;
    std::string text;
    CLI::Option* flag = nullptr;
  };
  void check_keys(const train::GivenOptions& given) const;
  std::deque<Slot> slots_;  // addresses stay
  std::string config_file_, command_;
};

/// The options that say where and with how many ranks something runs (not what is trained).
[[nodiscard]] bool is_rank_option(const train::Option& option);

}  // namespace opx::cli
