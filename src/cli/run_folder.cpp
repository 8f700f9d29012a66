// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/run_folder.hpp"

#include "base/error.hpp"

namespace opx::cli {

std::filesystem::path run_folder_of(const std::filesystem::path& path) {
  OPX_REQUIRE(std::filesystem::exists(path), InputError, "{}: no such run directory or checkpoint",
              path.string());
  std::filesystem::path folder = std::filesystem::weakly_canonical(path);
  for (int level = 0; level < 3; ++level, folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / "config.toml"))
      return folder.lexically_proximate(std::filesystem::current_path());
  }
  throw base::InputError(fmt::format(
      "{}: no config.toml in it or above it: not a run directory or a checkpoint of one", path.string()));
}

}  // namespace opx::cli
