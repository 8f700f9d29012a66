// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/batch_plan.hpp"

#include <algorithm>

namespace opx::sampling {
namespace {

/// Whether a layer from `first` on has the roles of rotation i.
bool used(std::size_t i, Index first, Index layers) {
  const Index wait = (static_cast<Index>(i) - first % 3 + 3) % 3;
  return first + wait < layers;
}

/// Layers whose tiles have all rows.
Index whole_layers(const BatchOptions& options) { return options.layers - (options.loss_rows ? 1 : 0); }

std::array<Rotation, 3> rotations_of(const layout::GraphShard& full, const BatchOptions& options) {
  std::array<Rotation, 3> all;
  for (std::size_t i = 0; i < 3; ++i) {
    Rotation& r = all[i];
    const layout::Roles roles = layout::roles_of(static_cast<Index>(i));
    r.rows = layout::row_blocks(full.grid, roles, full.coord[roles.r]);
    r.cols = layout::column_blocks(full.grid, roles, full.coord[roles.k]);
    r.forward = used(i, options.first_layer, whole_layers(options));
    r.backward = options.need_backward &&
                 used(i, std::max(options.first_layer, options.first_backward_layer), whole_layers(options));
  }
  const auto find = [&](auto&& fits) {
    return static_cast<std::size_t>(std::find_if(all.begin(), all.end(), fits) - all.begin());
  };
  for (Rotation& r : all) {
    const auto same = [&](const Rotation& o) { return o.rows == r.rows && o.cols == r.cols; };
    r.first = find([&](const Rotation& o) { return o.forward && same(o); });
    r.first_backward = find([&](const Rotation& o) { return o.backward && same(o); });
    r.mirror = find([&](const Rotation& o) { return o.forward && o.rows == r.cols && o.cols == r.rows; });
  }
  return all;
}

/// Whether (v, u) and (u, v) have the same factor whatever the strata.
bool equal_factors(const Selection& s) {
  const auto constant = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [&](float v) { return v == values.front(); });
  };
  return constant(s.same) && constant(s.other);
}

}  // namespace

BatchPlan::BatchPlan(const layout::GraphShard& full, const BatchOptions& options_)
    : options(options_),
      rotations(rotations_of(full, options_)),
      own_block(full.grid.rank_of({full.coord.x, full.coord.y, full.coord.z, 0})),
      symmetric(full.symmetric),
      one_rank(full.grid.tensor_ranks() == 1) {
  std::size_t blocks = 0;
  for (std::size_t i = 0; i < 3; ++i)
    if (needs(i)) blocks = std::max({blocks, rotations[i].cols.size(), rotations[i].rows.size()});
  most_columns = static_cast<Index>(blocks) * full.block_rows;
}

bool BatchPlan::needs(std::size_t i) const { return used(i, options.first_layer, options.layers); }

std::vector<int> BatchPlan::blocks() const {
  std::vector<int> all{own_block};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!needs(i)) continue;
    all.insert(all.end(), rotations[i].rows.begin(), rotations[i].rows.end());
    all.insert(all.end(), rotations[i].cols.begin(), rotations[i].cols.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

bool BatchPlan::symmetric_in(const Selection& selection) const {
  return symmetric && (options.estimator == Estimator::kSelfNormalised || equal_factors(selection));
}

Index BatchPlan::padded_loss_rows(const Selection& selection, const RowOrder& order) const {
  Index most = 1;
  for (const int block : rotations[loss_rotation()].rows) most = std::max(most, order.loss_rows(block));
  return std::min(most, selection.block_rows);
}

spmm::Csr& csr_of(Batch::TileMemory& memory) {
  if (!memory.csr) {
    memory.csr = std::make_shared<spmm::Csr>();
    memory.tile = std::make_shared<layout::Tile>();
    memory.tile->csr = memory.csr;
  }
  return *memory.csr;
}

void set_counts(const CutCounts& counts, Batch& out) {
  out.nnz = counts.nnz;
  out.sampled_degree = counts.off_diagonal;
  out.rows_without_neighbours = counts.rows_without_neighbours;
}

void keep_rows(std::span<std::int32_t> kept, Batch& out) {
  const Index first = std::max(out.shard.loss_rows.rows, out.loss_rows);
  std::fill_n(kept.begin(), first, 0);
  std::int32_t rows = 0, valid = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] < 0) continue;
    kept[i] = rows++;
    if (i >= out.positions.size()) continue;  // padding
    const auto to = static_cast<std::size_t>(valid++);
    out.positions[to] = out.positions[i], out.local_row[to] = out.local_row[i];
    out.weight[to] = out.weight[i], out.diagonal[to] = out.diagonal[i];
  }
  const auto left = static_cast<std::size_t>(valid);
  out.positions.resize(left), out.local_row.resize(left), out.weight.resize(left), out.diagonal.resize(left);
  out.shard.block_rows = rows;
  out.shard.vertices = valid;
  out.shard.own = {0, valid};
}

}  // namespace opx::sampling
