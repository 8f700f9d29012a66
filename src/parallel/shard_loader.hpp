// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads what one rank keeps of a prepared dataset: tiles for the three role rotations, normalisation factors,
// features, labels, splits of its own block.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/store.hpp"
#include "layout/graph_shard.hpp"
#include "parallel/process_grid.hpp"

namespace opx::parallel {

enum class Normalisation : std::uint8_t { kNone, kSymmetric, kRow };

struct ShardOptions {
  Normalisation normalisation = Normalisation::kSymmetric;
  bool add_self_loops = true;  ///< a diagonal entry where a row has none; factors count it
  bool need_backward = true;   ///< build the transposes
  /// Layers of the model: with one or two, not all three tiles are needed, and those not needed stay null.
  Index layers = 3;
  /// The lowest layer that is aggregated backward: 1 where nobody asks for the gradient of the features.
  Index first_backward_layer = 0;
};

/// The tiles of this rank. Symmetric: s = t = (degree)^-1/2 (in- and out-degree where A is directed); row: s
/// = 1 / row sum, t = 1. Collective over grid.tensor() (errors are agreed on).
[[nodiscard]] layout::GraphShard load_shard(device::Context& context, ProcessGrid& grid,
                                            const graph::Store& store, const ShardOptions& options);

/// The same shard in memory of `context` (a GPU); what tiles share stays shared.
[[nodiscard]] layout::GraphShard to_device(device::Context& context, const layout::GraphShard& shard);

/// What a rank holds of its own vertices: block_rows long, padding at the end (features 0, label -1, split
/// none).
struct VertexData {
  tensor::Matrix<float> features;    ///< block_rows x feature_dim, or empty
  std::vector<std::int32_t> labels;  ///< multi-class
  tensor::Matrix<float> targets;     ///< multi-label
  std::vector<graph::Split> split;
};
[[nodiscard]] VertexData load_vertices(device::Context& context, ProcessGrid& grid, const graph::Store& store,
                                       const layout::GraphShard& shard);

}  // namespace opx::parallel
