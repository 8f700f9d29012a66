// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Checks of one option's value, shared by flags, TOML and validate.
#pragma once

#include <string_view>

#include "train/options.hpp"

namespace opx::train::detail {

/// Throws InvalidArgument where the option's value is none of its choices (with the nearest one) or outside
/// its range; `what` names the place: a flag, or "run.toml:7: model.hidden".
void check_value(const Option& option, const RunConfig& config, std::string_view what);

}  // namespace opx::train::detail
