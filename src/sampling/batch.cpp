// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/batch.hpp"

#include <algorithm>

#include "base/error.hpp"
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

std::array<Rotation, 3> rotations_of(const layout::GraphShard& full, const BatchOptions& options) {
  std::array<Rotation, 3> all;
  for (std::size_t i = 0; i < 3; ++i) {
    Rotation& r = all[i];
    const layout::Roles roles = layout::roles_of(static_cast<Index>(i));
    r.rows = layout::row_blocks(full.grid, roles, full.coord[roles.r]);
    r.cols = layout::column_blocks(full.grid, roles, full.coord[roles.k]);
    r.forward = used(i, options.first_layer, options.layers);
    r.backward = options.need_backward &&
                 used(i, std::max(options.first_layer, options.first_backward_layer), options.layers);
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
  for (const Rotation& r : rotations) blocks = std::max(blocks, r.forward ? r.cols.size() : 0);
  return static_cast<Index>(blocks) * full.block_rows;
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
  State(device::Context& context_, const layout::GraphShard& full_, Sampler& sampler_,
        const BatchOptions& options_)
      : context(context_),
        full(full_),
        sampler(sampler_),
        options(options_),
        rotations(rotations_of(full_, options_)),
        cutter(context_, full_, most_columns(full_, rotations)) {}

  void take_own_rows(Batch& out) const;
  void cut_tiles(Batch& out);
  void transpose_tiles(Batch& out);

  device::Context& context;
  const layout::GraphShard& full;
  Sampler& sampler;
  BatchOptions options;
  std::array<Rotation, 3> rotations;
  TileCutter cutter;
  Selection selection;
  spmm::TransposeScratch scratch;
};

void BatchBuilder::State::take_own_rows(Batch& out) const {
  const int block = full.grid.rank_of({full.coord.x, full.coord.y, full.coord.z, 0});
  const auto b = static_cast<std::size_t>(block);
  const std::span<const std::int32_t> own = selection.block(block);
  out.positions.assign(own.begin(), own.end());
  out.local_row.assign(own.begin(), own.end());
  for (std::int32_t& row : out.local_row) row -= static_cast<std::int32_t>(full.own.begin);
  const auto weights = selection.weight.begin() + selection.offsets[b];
  out.weight.assign(weights, weights + std::ssize(own));
  out.diagonal.assign(own.size(), 0.0F);
  out.shard.grid = full.grid;
  out.shard.coord = full.coord;
  out.shard.vertices = selection.vertices;
  out.shard.block_rows = selection.block_rows;
  out.shard.own = {0, std::ssize(own)};
}

void BatchBuilder::State::cut_tiles(Batch& out) {
  const int own_block = full.grid.rank_of({full.coord.x, full.coord.y, full.coord.z, 0});
  out.nnz = out.sampled_degree = out.rows_without_neighbours = 0;
  const std::size_t counted = rotations[static_cast<std::size_t>(options.first_layer % 3)].first;
  for (std::size_t i = 0; i < 3; ++i) {
    const Rotation& r = rotations[i];
    if (!r.forward) {
      out.shard.tile[i] = nullptr;
      continue;
    }
    if (r.first == i) {
      CutOptions cut{.estimator = options.estimator};
      if (i == counted) cut.own_block = own_block, cut.diagonal = out.diagonal;
      const CutCounts counts =
          cutter.cut(*full.tile[i], r.rows, r.cols, selection, cut, csr_of(out.forward_memory[i]));
      if (i == counted) {
        out.nnz = counts.nnz;
        out.sampled_degree = counts.off_diagonal;
        out.rows_without_neighbours = counts.rows_without_neighbours;
      }
    }
    out.shard.tile[i] = out.forward_memory[r.first].tile;
  }
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
  state_ = std::make_unique<State>(context, full, sampler, options);
  for (std::size_t i = 0; i < 3; ++i) {
    OPX_REQUIRE(!state_->rotations[i].forward || full.tile[i] != nullptr, InvalidArgument,
                "a batch of {} layers needs tile {}, which the resident shard was loaded without",
                options.layers, i);
  }
}

BatchBuilder::~BatchBuilder() = default;

void BatchBuilder::build(Index epoch, Index index, Batch& out) {
  const double start = base::now_seconds();
  State& s = *state_;
  s.sampler.draw(epoch, index, s.selection);
  out.epoch = epoch;
  out.index = index;
  s.take_own_rows(out);
  s.cut_tiles(out);
  s.transpose_tiles(out);
  out.build_seconds = base::now_seconds() - start;
}

}  // namespace opx::sampling
