// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The table of run options (train/options.hpp) as flags of a subcommand.
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "train/options.hpp"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace opx::cli {

class RunFlags {
 public:
  /// Adds --config and the flag of every option for which `wanted` holds (all by default).
  explicit RunFlags(CLI::App& app, bool (*wanted)(const train::Option&) = nullptr);

  /// Defaults, overridden by `base_file` (empty: none), by --config, by flags. Not yet validated.
  [[nodiscard]] train::RunConfig read(const std::filesystem::path& base_file = {}) const;
  /// The same over a configuration that is known already.
  [[nodiscard]] train::RunConfig read_over(train::RunConfig config) const;
  /// True where the flag was given on the command line.
  [[nodiscard]] bool given(std::string_view key) const;
  [[nodiscard]] const std::string& text(std::string_view key) const;

 private:
  struct Slot {
    const train::Option* option;
    std::string text;
    CLI::Option* flag = nullptr;
  };
  [[nodiscard]] const Slot* find(std::string_view key) const;
  std::deque<Slot> slots_;  // addresses stay
  std::string config_file_;
};

/// The options that say where and with how many ranks something runs (not what is trained).
[[nodiscard]] bool is_rank_option(const train::Option& option);

}  // namespace opx::cli
