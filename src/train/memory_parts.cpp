// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/memory_parts.hpp"

#include <cmath>

#include "parallel/aggregate.hpp"
#include "train/optimizer.hpp"

namespace opx::train::detail {

/// Tiles of the layers' rotations and, where A is not symmetric or the tiles differ from their transposes,
/// the transposes.
std::int64_t MemoryParts::adjacency(bool transposes) const {
  const std::int64_t entry = info_.weighted ? 8 : 4;
  const bool shared = one_rank() && info_.symmetric;
  std::int64_t total = 0;
  for (Index layer = 0; layer < rotations(); ++layer) {
    const layout::Roles roles = layout::roles_of(layer);
    const Index rows = info_.vertices / grid_.size(roles.r), cols = info_.vertices / grid_.size(roles.k);
    const std::int64_t tile = entry * entries() / (grid_.size(roles.r) * grid_.size(roles.k));
    const bool again = spec_.layers() > (one_rank() ? 1 : 3);  // a layer above has the same tile
    const bool backward = transposes && (layer > 0 || again || !spec_.cached());
    total += tile + 8 * rows + (shared || !backward ? 0 : tile + 8 * cols) + 2 * kFloat * (rows + cols);
  }
  return total;
}

std::int64_t MemoryParts::training_pass(Index rows) const {
  std::int64_t mask = 0;
  for (Index l = 0; l < spec_.layers(); ++l)
    mask += 8 * ceil_div(width(l + 1), 64) * (spec_.kind == model::Kind::kGin ? 2 : 1);
  if (spec_.learned_features && spec_.input_dropout > 0) mask += 8 * ceil_div(width(0), 64);
  if (spec_.cached() && spec_.input_dropout > 0 && spec_.kind != model::Kind::kGin)
    mask += 8 * ceil_div(width(0), 64) * (spec_.kind == model::Kind::kGcn ? 1 : 2);
  return kFloat * rows * training_tape().training() + rows * mask;
}

std::int64_t MemoryParts::panel(Index rows) const {
  const bool panels = spec_.cached() && spec_.input_dropout > 0 && spec_.kind != model::Kind::kGin;
  return panels ? kFloat * rows * width(0) : 0;
}

std::int64_t MemoryParts::workspace(Index layer, Index rows, Index columns, bool backward) const {
  const parallel::AggregateOptions options{
      .wire = config_.wire == "bf16" ? parallel::Wire::kBfloat16 : parallel::Wire::kFloat32,
      .panels = config_.panels};
  return parallel::aggregate_workspace(grid_, layout::roles_of(layer), rows, columns, backward, options,
                                       overlaps_);
}

std::int64_t MemoryParts::gathered(Index rows, bool backward) const {
  std::int64_t most = 0;
  for (Index l = spec_.cached() ? 1 : 0; l < spec_.layers(); ++l) {
    const Index columns = std::min(width(l), width(l + 1));
    most = std::max(most, workspace(l, rows, columns, false));
    if (backward) most = std::max(most, workspace(l, rows, columns, true));
  }
  return most;
}

std::int64_t MemoryParts::replicated() const {
  std::int64_t scalars = 0;
  for (const model::ParameterSpec& p : model::parameter_specs(spec_)) scalars += p.size();
  return kFloat * scalars;
}

std::int64_t MemoryParts::optimizer_state() const {
  const int vectors = optimizer_state_vectors(config_.optimizer);
  const int accumulated = config_.mode == "mini" && config_.mini.accumulate > 1 ? 1 : 0;
  return (vectors + accumulated) * replicated() + kFloat * vectors * rows_ * learned_columns();
}

std::int64_t MemoryParts::setup(std::int64_t tiles, Index columns) const {
  if (!spec_.cached()) return 0;
  return tiles + kFloat * rows_ * 2 * columns +
         std::max(workspace(0, rows_, columns, false), workspace(0, rows_, columns, true));
}

double MemoryParts::ratio() const {
  const MiniConfig& mini = config_.mini;
  const auto n = static_cast<double>(info_.vertices);
  const double asked = mini.batch_size > 0 ? static_cast<double>(mini.batch_size) / n : mini.batch_ratio;
  return 1 / std::max(1.0, std::round(1 / asked));
}

Index MemoryParts::expected_batch_rows() const {
  const double share = 1 / static_cast<double>(grid_.tensor_ranks());
  const double mean = static_cast<double>(info_.vertices) * share * ratio();
  const double more = config_.mini.sampler == "uniform" ? 12 * std::sqrt(mean * (1 - share)) + 50 : 0;
  return std::min(rows_, static_cast<Index>(std::ceil(mean + more)));
}

/// Of the tile of a layer: both ends of an entry are in. Batches of `cluster` keep what lies within a part,
/// half of all is allowed for; those that prefer high degrees have more than their share, twice is allowed
/// for.
std::int64_t MemoryParts::batch_entries(Index layer) const {
  const layout::Roles roles = layout::roles_of(layer);
  const double ratio = this->ratio();
  const std::string& sampler = config_.mini.sampler;
  const double other = sampler == "cluster"                             ? (1 + ratio) / 2
                       : sampler == "degree" || sampler == "saint-walk" ? std::min(1.0, 2 * ratio)
                                                                        : ratio;
  const double loops = static_cast<double>(entries() - info_.edges) * ratio;
  const double kept = static_cast<double>(info_.edges) * ratio * other + loops;
  return static_cast<std::int64_t>(kept / static_cast<double>(grid_.size(roles.r) * grid_.size(roles.k)));
}

/// Memory of tiles grows by half, so a quarter of it is more than needed in the mean.
std::int64_t MemoryParts::tiles(Index rows, bool backward) const {
  const Index first = spec_.cached() && spec_.layers() > 1 ? 1 : 0;
  const bool shared = info_.symmetric && config_.mini.estimator == "self-normalised";
  const Index most = one_rank() ? first + 1 : std::min<Index>(spec_.layers(), first + 3);
  std::int64_t bytes = 0;
  for (Index layer = first; layer < most; ++layer) {
    const layout::Roles roles = layout::roles_of(layer);
    const std::int64_t tile = 10 * batch_entries(layer);
    const Index slab = rows * grid_.tensor_ranks();
    const bool twice = backward && !shared && (layer > 0 || !spec_.cached());
    bytes += tile + 8 * slab / grid_.size(roles.r);
    if (twice) bytes += tile + 8 * slab / grid_.size(roles.k);
  }
  return bytes;
}

std::int64_t MemoryParts::upload(Index rows) const {
  constexpr std::int64_t kOfARow = 8 + 4 + 4 + 4 + 4 + 1;  // position, weight, diagonal, row, label, use
  const std::int64_t sums = config_.mini.estimator == "self-normalised" ? kFloat : 0;
  return (rows * (kOfARow + sums) + targets(rows)) * 5 / 4;
}

std::int64_t MemoryParts::drawn(Index rows) const {
  const Index slabs = one_rank() ? 1 : 2;
  return 16 * slabs * widest_slab(rows);
}

std::int64_t MemoryParts::cutter(Index rows) const {
  constexpr std::int64_t kLongRow = 2048;
  const Index tile = entries() / (grid_.tensor_ranks() / std::max({grid_.gx, grid_.gy, grid_.gz})),
              long_rows = std::min(tile / kLongRow, widest_slab(rows));
  return widest_slab(rows_) * 17 / 4 + 20 * widest_slab(rows) + drawn(rows) + 68 * long_rows;
}

std::int64_t MemoryParts::scratch(Index rows) const {
  const Index threads = config_.mini.sampler_threads;
  return 8 * widest_slab(rows) * threads + 10 * batch_entries(0) * (threads - 1) / threads;
}

}  // namespace opx::train::detail
