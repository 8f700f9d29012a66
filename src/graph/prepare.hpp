// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// From a raw dataset to a `*.opx` store: streams, with its peak memory bounded by the budget (design.md
// invariant 6).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "device/context.hpp"
#include "graph/source.hpp"
#include "layout/placement.hpp"

namespace opx::graph {

enum class SelfLoops : std::uint8_t { kKeep, kDrop };
enum class Duplicates : std::uint8_t {
  kMerge,
  kSum
};  ///< merge: one entry (weight of the first); sum: weights add up

inline constexpr Index kAutoParts = -1;

struct PrepareOptions {
  layout::Deal deal = layout::Deal::kDegree;
  layout::Order order = layout::Order::kNatural;
  Index virtual_blocks = 0;  ///< 0: default_virtual_blocks(N)
  Index parts = 0;           ///< METIS parts for samplers; 0: none, kAutoParts: about 256 vertices a part
  std::uint64_t seed = 0;
  bool add_inverse_edge = false;  ///< OR'ed with RawDataset::stored_once
  SelfLoops self_loops = SelfLoops::kKeep;
  Duplicates duplicates = Duplicates::kMerge;
  FeatureType feature_type = FeatureType::kFloat32;
  std::int64_t memory = std::int64_t{2} << 30;
  std::filesystem::path temporary_folder;  ///< spill files; empty: beside the output
  std::string split;                       ///< "0.6/0.2/0.2": drawn where the input has none (or replaces it)
  std::uint64_t split_seed = 0;
  std::string command;  ///< for the provenance record
  double started =
      0;  ///< base::now_seconds() when the input was opened, for the report; 0: prepare()'s start
  /// Progress: stage name, fraction 0..1. May be empty.
  std::function<void(std::string_view stage, double fraction)> progress;
};

struct PrepareReport {
  Index vertices = 0, input_edges = 0, stored_edges = 0, self_loops = 0, duplicates = 0,
        dropped_self_loops = 0, isolated = 0;
  Index max_degree = 0;
  double seconds = 0;                                  ///< from PrepareOptions::started to the finished store
  std::vector<std::pair<std::string, double>> phases;  ///< seconds of each, in order
  std::string checksum;
};

/// Writes `output` through a temporary name, synced and renamed. Throws FormatError, InputError,
/// ResourceError (disk full, unwritable folder) and leaves nothing behind.
PrepareReport prepare(device::Context& context, RawDataset&& input, const std::filesystem::path& output,
                      const PrepareOptions& options);

}  // namespace opx::graph
