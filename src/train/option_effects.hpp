// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Which options have an effect in which combination: one table of rules (option_effects.cpp). An option that
// was asked for and has none is refused, never ignored; a new option that depends on another one is a line
// there.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "train/options.hpp"

namespace opx::train {

/// The options that the user asked for, by key, and where: "--hidden", or "run.toml:7: model.hidden".
class GivenOptions {
 public:
  void add(const Option& option, std::string place) {
    places_.insert_or_assign(option.key, std::move(place));
  }
  [[nodiscard]] bool has(std::string_view key) const { return places_.contains(key); }
  [[nodiscard]] const std::map<std::string_view, std::string>& places() const noexcept { return places_; }

 private:
  std::map<std::string_view, std::string> places_;
};

/// False where what the option says makes no difference to a run of this configuration. A value that asks
/// for nothing (patience 0, momentum 0, no self loops where the model adds none) always has its effect.
[[nodiscard]] bool has_effect(const Option& option, const RunConfig& config);

/// Throws InvalidArgument that names place, value and reason for the first option in `given` without effect.
void check_effects(const RunConfig& config, const GivenOptions& given);
/// The same where nobody knows what was given: every value that is not the default counts as asked for.
void check_effects(const RunConfig& config);

/// Sets what has no effect back to its default: what is left of a run that is taken up with other options.
void drop_without_effect(RunConfig& config);

}  // namespace opx::train
