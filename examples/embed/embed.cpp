// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Uses the installed library: reads a run configuration, checks it and writes it back resolved.
#include <cstdio>

#include "train/options.hpp"

int main() {
  opx::train::RunConfig config;
  opx::train::read_toml_text(config, "model.kind = 'sage'\nmodel.hidden = 64\n", "inline");
  opx::train::resolve(config);
  opx::train::validate(config);
  std::fputs(opx::train::to_toml(config).c_str(), stdout);
  return config.model.normalisation == "row" ? 0 : 1;
}
