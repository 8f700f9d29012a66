// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/scratch_folder.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <stdlib.h>

#include "base/error.hpp"

namespace opx::cli {

ScratchFolder::ScratchFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "orthoplex-XXXXXX").string();
  OPX_REQUIRE(mkdtemp(name.data()) != nullptr, ResourceError, "{}: cannot make a temporary folder: {}", name,
              std::strerror(errno));
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace opx::cli
