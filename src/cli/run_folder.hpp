// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The run directory that a run directory or a checkpoint in it stands for.
#pragma once

#include <filesystem>

namespace opx::cli {

/// The nearest folder at or above `path` (three levels) that holds a config.toml. Throws InputError where
/// there is none.
[[nodiscard]] std::filesystem::path run_folder_of(const std::filesystem::path& path);

}  // namespace opx::cli
