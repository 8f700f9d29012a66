// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// File system calls whose result survives a crash: written, synced, renamed. All throw ResourceError with
// path and reason.
#pragma once

#include <filesystem>
#include <string_view>

namespace opx::train {

void make_folders(const std::filesystem::path& folder);
void remove_tree(const std::filesystem::path& path);  ///< nothing there is no error
void rename_path(const std::filesystem::path& from, const std::filesystem::path& to);
/// fsync of a folder: names made or renamed in it are on the disk.
void sync_folder(const std::filesystem::path& folder);
/// Replaces the file by `text`, synced.
void write_durable(const std::filesystem::path& file, std::string_view text);
/// The same by way of a temporary name: after a kill at any point the file is the old one or the new one.
void replace_file(const std::filesystem::path& file, std::string_view text);

}  // namespace opx::train
