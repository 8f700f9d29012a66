// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What this build was made with, filled in by CMake (build_info.cpp.in).
#pragma once

#include <span>
#include <string_view>

namespace opx::cli {

struct Feature {
  std::string_view name;  ///< "MPI"
  bool on = false;
  std::string_view version;  ///< of the library it stands for; may be empty
};

struct BuildInfo {
  std::string_view version, compiler, build_type, sanitizer;
  std::span<const Feature> features;   ///< optional parts
  std::span<const Feature> libraries;  ///< always there
};

[[nodiscard]] const BuildInfo& build_info();

}  // namespace opx::cli
