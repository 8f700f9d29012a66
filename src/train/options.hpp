// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The one table of run options. It drives the flags and help of the command line, the keys of a TOML file,
// the resolved config.toml of a run and the checks; a new option is one line in options.cpp. Defaults are
// those of RunConfig{}.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "train/config.hpp"

namespace opx::train {

/// Where an option lives in a RunConfig; the alternative is its kind.
using OptionField = std::variant<std::string*, bool*, int*, std::uint64_t*, double*, std::vector<int>*>;

struct Option {
  std::string_view key;    ///< of the TOML file: "model.hidden"
  std::string_view flag;   ///< "--hidden"; a name without dashes is positional
  std::string_view group;  ///< heading in --help
  std::string_view help;
  OptionField (*field)(RunConfig&);
  std::vector<std::string_view> choices = {};  ///< empty: any text
  double least = std::numeric_limits<double>::lowest(), most = std::numeric_limits<double>::max();
};

class GivenOptions;  // option_effects.hpp

/// All options in the order of --help.
[[nodiscard]] std::span<const Option> options();
/// The option with that key, or null.
[[nodiscard]] const Option* find_option(std::string_view key);

/// What the option holds, as TOML writes it ("\"gcn\"", "0.5", "[64, 32]"), and without quotes for --help.
[[nodiscard]] std::string toml_value(const Option& option, const RunConfig& config);
[[nodiscard]] std::string plain_value(const Option& option, const RunConfig& config);
/// One word for --help: TEXT, INT, REAL, INT,INT,..., or the choices.
[[nodiscard]] std::string type_name(const Option& option);

/// Sets an option from the text of a flag. Throws InvalidArgument that names the flag, the value and what it
/// takes.
void set_from_text(RunConfig& config, const Option& option, std::string_view text);

/// Sets what the TOML file names and leaves the rest; adds to `given` (unless null) what it named and where.
/// Throws InputError where it cannot be read, InvalidArgument with file and line for a syntax error, an
/// unknown key (with the nearest one), a wrong type or a value out of range.
void read_toml(RunConfig& config, const std::filesystem::path& file, GivenOptions* given = nullptr);
/// The same from text; `file` is for messages.
void read_toml_text(RunConfig& config, std::string_view text, const std::string& file,
                    GivenOptions* given = nullptr);
/// What a run recorded of itself, from a file (config.toml) or its text (a checkpoint's): an option that came
/// after the run has the value that the run was made with.
void read_recorded_toml(RunConfig& config, const std::filesystem::path& file);
void read_recorded_toml_text(RunConfig& config, std::string_view text, const std::string& file);
/// Every option that has an effect, with its value; read_recorded_toml_text gives the same run back.
[[nodiscard]] std::string to_toml(const RunConfig& config);

/// Fills in what "auto" stands for and does not depend on data or ranks (model.normalisation by the kind of
/// model).
void resolve(RunConfig& config);
/// Checks single values and their combinations. Throws InvalidArgument, or NotCompiled for what this build
/// leaves out. An option in `given` that has no effect is refused (option_effects.hpp); without `given`, one
/// that is not at its default.
void validate(const RunConfig& config, const GivenOptions* given = nullptr);

}  // namespace opx::train
