// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Feature rows from text or from a NumPy array.
#pragma once

#include <filesystem>
#include <memory>

#include "graph/source.hpp"
#include "io/npy.hpp"

namespace opx::graph::loaders {

/// One row of numbers a line, separated by commas, semicolons, spaces or tabs; `vertices` lines. The number
/// of columns is that of the first line.
[[nodiscard]] std::unique_ptr<FeatureSource> text_features(std::unique_ptr<io::InputStream> stream,
                                                           Index vertices, device::Context* context);

/// A two-dimensional array of `vertices` rows. C order streams; Fortran order is turned around through a
/// temporary file.
[[nodiscard]] std::unique_ptr<FeatureSource> array_features(io::NpyReader reader, Index vertices,
                                                            const std::filesystem::path& temporary_folder);

/// A .npy, or text (.csv, .txt, also .gz).
[[nodiscard]] std::unique_ptr<FeatureSource> file_features(const std::filesystem::path& path, Index vertices,
                                                           const OpenOptions& options);

/// Rows that a feature or label file has: from the header of a .npy, by counting the lines of a text.
[[nodiscard]] Index count_rows(const std::filesystem::path& path);

}  // namespace opx::graph::loaders
