// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/batch.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "sampling/row_order.hpp"
#include "sampling/tile_cutter.hpp"

namespace opx::sampling {

namespace {

/// One of the three role rotations on this rank.
struct Rotation {
  std::vector<int> rows, cols;     ///< blocks of the slabs, in slab order
  bool forward = false;            ///< a layer aggregates with it
  bool backward = false;           ///< and backward
  std::size_t first = 0;           ///< the lowest rotation with the same slabs: the tile is that one's
  std::size_t first_backward = 0;  ///< the same among those that go backward
  std::size_t mirror = 3;          ///< a rotation with rows and columns exchanged that goes forward, or 3
};

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

Index most_columns(const layout::GraphShard& full, const std::array<Rotation, 3>& rotations) {
  std::size_t blocks = 0;
  for (const Rotation& r : rotations) blocks = std::max(blocks, r.cols.size());
  return static_cast<Index>(blocks) * full.block_rows;
}

int block_of(const layout::GraphShard& shard) {
  return shard.grid.rank_of({shard.coord.x, shard.coord.y, shard.coord.z, 0});
}

/// Blocks of the slabs of all rotations in use, and the own one. Rising.
std::vector<int> blocks_of(const layout::GraphShard& full, const std::array<Rotation, 3>& rotations,
                           const BatchOptions& options) {
  std::vector<int> blocks{block_of(full)};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!used(i, options.first_layer, options.layers)) continue;
    blocks.insert(blocks.end(), rotations[i].rows.begin(), rotations[i].rows.end());
    blocks.insert(blocks.end(), rotations[i].cols.begin(), rotations[i].cols.end());
  }
  std::sort(blocks.begin(), blocks.end());
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  return blocks;
}

/// Whether (v, u) and (u, v) have the same factor whatever the strata.
bool equal_factors(const Selection& s) {
  const auto constant = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [&](float v) { return v == values.front(); });
  };
  return constant(s.same) && constant(s.other);
}

spmm::Csr& csr_of(Batch::TileMemory& memory) {
  if (!memory.csr) {
    memory.csr = std::make_shared<spmm::Csr>();
    memory.tile = std::make_shared<layout::Tile>();
    memory.tile->csr = memory.csr;
  }
  return *memory.csr;
}

}  // namespace

struct BatchBuilder::State {
  State(device::Context& context_, const layout::GraphShard& full_, const graph::Store& store,
        Sampler& sampler_, const BatchOptions& options_)
      : context(context_),
        full(full_),
        sampler(sampler_),
        options(options_),
        rotations(rotations_of(full_, options_)),
        cutter(context_, full_, most_columns(full_, rotations)) {
    if (options.loss_rows) order = RowOrder(store, full, blocks_of(full, rotations, options));
  }

  void take_own_rows(Batch& out) const;
  void cut_tiles(Batch& out);
  CutCounts cut_tile(std::size_t rotation, bool first, Index loss_rows, Batch::TileMemory& memory,
                     Batch& out);
  void cut_loss_rows(Batch& out);
  void take_loss_rows(const Rotation& r, const spmm::CsrView& whole, Index rows, spmm::Csr& to);
  void drop_unread(Batch& out);
  void transpose_tiles(Batch& out);

  device::Context& context;
  const layout::GraphShard& full;
  Sampler& sampler;
  BatchOptions options;
  std::array<Rotation, 3> rotations;
  TileCutter cutter;
  Selection selection;
  RowOrder order;
  std::vector<std::int32_t> kept;  // of drop_unread(): the row that an own row becomes, -1: none
  spmm::TransposeScratch scratch;
};

void BatchBuilder::State::take_own_rows(Batch& out) const {
  const int block = block_of(full);
  const auto first = static_cast<std::size_t>(selection.offsets[static_cast<std::size_t>(block)]);
  const std::size_t rows = selection.block(block).size();
  out.positions.resize(rows), out.local_row.resize(rows), out.weight.resize(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t i = order.vertex(static_cast<Index>(r), first);
    out.positions[r] = selection.position[i];
    out.local_row[r] = selection.position[i] - static_cast<std::int32_t>(full.own.begin);
    out.weight[r] = selection.weight[i];
  }
  out.diagonal.assign(rows, 0.0F);
  out.drawn = static_cast<Index>(rows);
  out.loss_rows = options.loss_rows ? order.loss_rows(block) : out.drawn;
  out.shard.grid = full.grid;
  out.shard.coord = full.coord;
  out.shard.vertices = selection.vertices;
  out.shard.block_rows = selection.block_rows;
  out.shard.own = {0, out.drawn};
}

CutCounts BatchBuilder::State::cut_tile(std::size_t rotation, bool first, Index loss_rows,
                                        Batch::TileMemory& memory, Batch& out) {
  const Rotation& r = rotations[rotation];
  CutOptions cut{.estimator = options.estimator, .order = &order, .loss_rows = loss_rows};
  if (first) cut.own_block = block_of(full), cut.diagonal = out.diagonal;
  const CutCounts counts = cutter.cut(*full.tile[rotation], r.rows, r.cols, selection, cut, csr_of(memory));
  if (first) {
    out.nnz = counts.nnz;
    out.sampled_degree = counts.off_diagonal;
    out.rows_without_neighbours = counts.rows_without_neighbours;
  }
  return counts;
}

void BatchBuilder::State::cut_tiles(Batch& out) {
  out.nnz = out.sampled_degree = out.rows_without_neighbours = 0;
  const std::size_t counted = rotations[static_cast<std::size_t>(options.first_layer % 3)].first;
  for (std::size_t i = 0; i < 3; ++i) {
    const Rotation& r = rotations[i];
    if (!r.forward) {
      out.shard.tile[i] = nullptr;
      continue;
    }
    if (r.first == i) cut_tile(i, i == counted, 0, out.forward_memory[i], out);
    out.shard.tile[i] = out.forward_memory[r.first].tile;
  }
}

/// From the tile of all rows, where another layer has the roles of the last one.
void BatchBuilder::State::take_loss_rows(const Rotation& r, const spmm::CsrView& whole, Index rows,
                                         spmm::Csr& to) {
  to.rows = std::ssize(r.rows) * rows;
  to.cols = whole.cols;
  to.row_offsets.resize(context, to.rows + 1);
  Index* offset = to.row_offsets.data();
  *offset = 0;
  for (std::size_t k = 0; k < r.rows.size(); ++k) {
    const Index first = static_cast<Index>(k) * selection.block_rows, given = order.loss_rows(r.rows[k]);
    for (Index i = 0; i < rows; ++i, ++offset) {
      const auto row = static_cast<std::size_t>(first + std::min(i, given));
      offset[1] = offset[0] + (i < given ? whole.row_offsets[row + 1] - whole.row_offsets[row] : 0);
    }
  }
  to.col_ids.resize(context, *offset);
  to.values.resize(context, *offset);
  for (std::size_t k = 0; k < r.rows.size(); ++k) {
    const Index first = static_cast<Index>(k) * selection.block_rows;
    const auto begin = whole.row_offsets[static_cast<std::size_t>(first)],
               end = whole.row_offsets[static_cast<std::size_t>(first + order.loss_rows(r.rows[k]))],
               at = to.row_offsets[static_cast<Index>(k) * rows];
    std::copy(whole.col_ids.begin() + begin, whole.col_ids.begin() + end, to.col_ids.begin() + at);
    std::copy(whole.values.begin() + begin, whole.values.begin() + end, to.values.begin() + at);
  }
}

/// The ranks that exchange rows of the last layer's result share a row slab, so the padding is the slab's.
void BatchBuilder::State::cut_loss_rows(Batch& out) {
  const Index layer = options.layers - 1;
  const auto rotation = static_cast<std::size_t>(layer % 3);
  Index most = 1;
  for (const int block : rotations[rotation].rows) most = std::max(most, order.loss_rows(block));
  layout::LossRows& last = out.shard.loss_rows;
  last.layer = layer;
  last.rows = std::min(most, selection.block_rows);
  if (rotations[rotation].forward) {
    take_loss_rows(rotations[rotation], out.shard.tile[rotation]->view(), last.rows, csr_of(out.loss_memory));
  } else {
    cut_tile(rotation, options.first_layer == layer, last.rows, out.loss_memory, out);
  }
  if (options.drop_unread && options.first_layer == layer && full.grid.tensor_ranks() == 1) drop_unread(out);
  last.tile = out.loss_memory.tile;
  last.transposed = nullptr;
  if (!options.need_backward) return;
  spmm::transpose_into(context, last.tile->view(), scratch, csr_of(out.loss_backward_memory));
  last.transposed = out.loss_backward_memory.tile;
}

void BatchBuilder::State::drop_unread(Batch& out) {
  spmm::Csr& tile = *out.loss_memory.csr;
  kept.assign(static_cast<std::size_t>(tile.cols), -1);
  std::fill_n(kept.begin(), std::max(out.shard.loss_rows.rows, out.loss_rows), 0);
  for (const std::int32_t column : tile.col_ids.span()) kept[static_cast<std::size_t>(column)] = 0;
  std::int32_t rows = 0, valid = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] < 0) continue;
    kept[i] = rows++;
    if (i >= out.positions.size()) continue;  // padding
    const auto to = static_cast<std::size_t>(valid++);
    out.positions[to] = out.positions[i], out.local_row[to] = out.local_row[i];
    out.weight[to] = out.weight[i], out.diagonal[to] = out.diagonal[i];
  }
  for (std::int32_t& column : tile.col_ids.span()) column = kept[static_cast<std::size_t>(column)];
  const auto left = static_cast<std::size_t>(valid);
  out.positions.resize(left), out.local_row.resize(left), out.weight.resize(left), out.diagonal.resize(left);
  tile.cols = out.shard.block_rows = rows;
  out.shard.vertices = valid;
  out.shard.own = {0, valid};
}

void BatchBuilder::State::transpose_tiles(Batch& out) {
  out.shard.symmetric =
      full.symmetric && (options.estimator == Estimator::kSelfNormalised || equal_factors(selection));
  for (std::size_t i = 0; i < 3; ++i) {
    const Rotation& r = rotations[i];
    if (!r.backward) {
      out.shard.transposed[i] = nullptr;
    } else if (out.shard.symmetric && r.mirror < 3) {
      out.shard.transposed[i] = out.shard.tile[r.mirror];
    } else {
      if (r.first_backward == i) {
        spmm::transpose_into(context, out.shard.tile[i]->view(), scratch, csr_of(out.backward_memory[i]));
      }
      out.shard.transposed[i] = out.backward_memory[r.first_backward].tile;
    }
  }
}

BatchBuilder::BatchBuilder(device::Context& context, const layout::GraphShard& full,
                           const graph::Store& store, Sampler& sampler, const BatchOptions& options) {
  OPX_REQUIRE(options.layers >= 0 && options.first_layer >= 0 && options.first_backward_layer >= 0,
              InvalidArgument, "{} layers, forward from layer {}, backward from layer {}", options.layers,
              options.first_layer, options.first_backward_layer);
  OPX_REQUIRE(store.info().vertices == full.vertices, DimensionMismatch,
              "a store of {} vertices and a shard of {}", store.info().vertices, full.vertices);
  OPX_REQUIRE(!options.loss_rows || options.first_layer < options.layers, InvalidArgument,
              "loss rows of {} layers that aggregate from layer {} on", options.layers, options.first_layer);
  state_ = std::make_unique<State>(context, full, store, sampler, options);
  for (std::size_t i = 0; i < 3; ++i) {
    OPX_REQUIRE(!used(i, options.first_layer, options.layers) || full.tile[i] != nullptr, InvalidArgument,
                "a batch of {} layers needs tile {}, which the resident shard was loaded without",
                options.layers, i);
  }
}

BatchBuilder::~BatchBuilder() = default;

void BatchBuilder::build(Index epoch, Index index, Batch& out) {
  const double start = base::now_seconds();
  State& s = *state_;
  s.sampler.draw(epoch, index, s.selection);
  s.order.set(s.selection);
  out.epoch = epoch;
  out.index = index;
  s.take_own_rows(out);
  s.cut_tiles(out);
  out.shard.loss_rows = {};
  if (s.options.loss_rows) s.cut_loss_rows(out);
  s.transpose_tiles(out);
  out.build_seconds = base::now_seconds() - start;
}

}  // namespace opx::sampling
