// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Features from the order of the input to the order of positions, within a budget. Private to graph/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "device/context.hpp"
#include "graph/source.hpp"
#include "graph/store_writer.hpp"

namespace opx::graph {

struct FeatureScatterOptions {
  FeatureType type = FeatureType::kFloat32;
  std::int64_t memory = 0;       ///< bytes; below the matrix's size rows pass through temporary files
  std::filesystem::path folder;  ///< of the temporary files
  std::function<void(double)> progress;
};

/// Reads all rows of `source` and writes row i at position `position_of[i]`.
void scatter_features(device::Context& context, FeatureSource& source,
                      std::span<const std::uint32_t> position_of, StoreWriter& writer,
                      const FeatureScatterOptions& options);

}  // namespace opx::graph
