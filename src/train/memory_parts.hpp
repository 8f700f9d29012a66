// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to train/: the arithmetic behind the memory models of both backends.
#pragma once

#include <algorithm>
#include <cstdint>

#include "graph/store.hpp"
#include "layout/grid.hpp"
#include "layout/placement.hpp"
#include "model/spec.hpp"
#include "train/activation_tape.hpp"
#include "train/config.hpp"
#include "train/network.hpp"

namespace opx::train::detail {

inline constexpr std::int64_t kFloat = 4;

/// Bytes of the parts of a run, on the rank with the most. The arguments must outlive it.
class MemoryParts {
 public:
  /// `overlaps`: panels of an aggregation are under way together (parallel::aggregate_workspace).
  MemoryParts(const graph::StoreInfo& info, const layout::Grid& grid, const RunConfig& config,
              const model::ModelSpec& spec, bool overlaps = false)
      : info_(info),
        grid_(grid),
        config_(config),
        spec_(spec),
        batch_spec_(batch_spec(spec, grid, gives_loss_rows(config, info))),
        overlaps_(overlaps),
        rows_(layout::padded_rows(info.vertices, grid.tensor_ranks())) {}

  [[nodiscard]] Index rows() const { return rows_; }
  [[nodiscard]] Index width(Index boundary) const { return spec_.widths[static_cast<std::size_t>(boundary)]; }
  [[nodiscard]] bool one_rank() const { return grid_.tensor_ranks() == 1; }
  [[nodiscard]] ActivationTape tape() const { return {spec_, one_rank()}; }
  [[nodiscard]] ActivationTape training_tape() const { return {batch_spec_, one_rank()}; }
  /// Columns of the constant matrices of the own rows that passes read.
  [[nodiscard]] Index constant_columns() const {
    return (spec_.reads_features() ? width(0) : 0) + (spec_.cached() ? width(0) : 0);
  }
  /// Scalars of the gradient of learned features.
  [[nodiscard]] Index learned_columns() const { return spec_.learned_features ? width(0) : 0; }

  [[nodiscard]] std::int64_t adjacency(bool transposes) const;
  [[nodiscard]] std::int64_t training_pass(Index rows) const;
  /// Dropout of a batch's constant input is done in panels, for which the pool gives a matrix of all rows.
  [[nodiscard]] std::int64_t panel(Index rows) const;
  /// Aggregators keep the work space of their widest call.
  [[nodiscard]] std::int64_t gathered(Index rows, bool backward) const;
  /// Replicated parameters and their gradients once; then the optimiser's state and what is accumulated.
  [[nodiscard]] std::int64_t replicated() const;
  [[nodiscard]] std::int64_t optimizer_state() const;
  /// Before the first step X and A X are both there, `columns` of them at a time, beside `tiles`: bytes of
  /// that moment, 0 where there is none.
  [[nodiscard]] std::int64_t setup(std::int64_t tiles, Index columns) const;
  /// The set-up call of a cached aggregation is as wide as the input.
  [[nodiscard]] std::int64_t setup_workspace() const {
    return spec_.cached() ? workspace(0, rows_, width(0), false) : 0;
  }

  /// Mode mini. Rows of a batch without a sampler at hand: the ratio's share of the own rows; `uniform` has
  /// room for an uneven draw.
  [[nodiscard]] Index expected_batch_rows() const;
  /// One sub-batch: rows of the constant matrices, tiles and transposes with values.
  [[nodiscard]] std::int64_t slot(Index rows, bool backward) const {
    return kFloat * rows * constant_columns() + targets(rows) + tiles(rows, backward);
  }
  /// Of one sub-batch what goes to a GPU beside its tiles and rows of the constant matrices. An upload that
  /// has to grow takes a quarter more.
  [[nodiscard]] std::int64_t upload(Index rows) const;
  /// Of a sub-batch, in Buffers: tiles.
  [[nodiscard]] std::int64_t tiles(Index rows, bool backward) const;
  /// Of a cutter on a GPU (sampling/gpu/): the map of the columns of its widest tile, what it knows of those
  /// of a sub-batch, long rows, and what was drawn, which alone goes through page-locked memory.
  [[nodiscard]] std::int64_t cutter(Index rows) const;
  [[nodiscard]] std::int64_t drawn(Index rows) const;
  /// Of the builder on the CPU: counts of a transpose, and what threads but the first cut.
  [[nodiscard]] std::int64_t scratch(Index rows) const;
  /// Entries of the largest tile, self loops included.
  [[nodiscard]] Index entries() const {
    const bool loops = config_.model.self_loops && spec_.kind == model::Kind::kGcn;
    return info_.edges + (loops ? info_.vertices - info_.self_loops : 0);
  }

 private:
  /// Layers with tiles of their own; layer 3 has the roles of layer 0.
  [[nodiscard]] Index rotations() const { return one_rank() ? 1 : std::min<Index>(3, spec_.layers()); }
  [[nodiscard]] std::int64_t workspace(Index layer, Index rows, Index columns, bool backward) const;
  /// Share of the vertices in a sub-batch.
  [[nodiscard]] double ratio() const;
  [[nodiscard]] std::int64_t batch_entries(Index layer) const;
  /// Of `rows` rows a block.
  [[nodiscard]] Index widest_slab(Index rows) const {
    return rows * grid_.tensor_ranks() / std::min({grid_.gx, grid_.gy, grid_.gz});
  }
  /// What the several labels of a sub-batch take.
  [[nodiscard]] std::int64_t targets(Index rows) const {
    return info_.task == graph::Task::kMultiLabel ? kFloat * rows * spec_.widths.back() : 0;
  }

  const graph::StoreInfo& info_;
  const layout::Grid& grid_;
  const RunConfig& config_;
  const model::ModelSpec& spec_;
  model::ModelSpec batch_spec_;  ///< mode mini: of the training passes
  bool overlaps_;
  Index rows_;  ///< own rows of the full graph
};

}  // namespace opx::train::detail
