// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// An .npz archive: a zip of .npy members by key.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/npy.hpp"
#include "io/zip.hpp"

namespace opx::io {

class NpzArchive {
 public:
  explicit NpzArchive(FileRange range) : archive_(std::move(range)) {}
  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> keys() const;
  /// Reads ahead in a thread of its own where `prefetch` is set (for large arrays). FormatError for a missing
  /// key.
  [[nodiscard]] NpyReader open(std::string_view key, bool prefetch = false) const;
  [[nodiscard]] const std::string& name() const noexcept { return archive_.name(); }

 private:
  ZipArchive archive_;
};

}  // namespace opx::io
