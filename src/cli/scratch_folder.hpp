// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A folder of its own that goes away with its owner.
#pragma once

#include <filesystem>

namespace opx::cli {

class ScratchFolder {
 public:
  /// Below the system's temporary folder. Throws ResourceError.
  ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder();
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace opx::cli
