// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/batch.hpp"

#include "base/error.hpp"
#include "sampling/batch_plan.hpp"
#include "sampling/row_order.hpp"
#include "sampling/tiles_on_cpu.hpp"
#include "sampling/tiles_on_gpu.hpp"

namespace opx::sampling {

struct BatchBuilder::State {
  State(device::Context& context, const layout::GraphShard& full_, const graph::Store& store,
        Sampler& sampler_, const BatchOptions& options)
      : full(full_), sampler(sampler_), plan(full_, options) {
    if (options.loss_rows) order = RowOrder(store, full, plan.blocks());
    if (context.on_gpu())
      there = std::make_unique<TilesOnGpu>(context, full, plan, sampler.most_block_rows());
    else
      here = std::make_unique<TilesOnCpu>(context, full, plan);
  }

  void take_own_rows(Batch& out) const;

  const layout::GraphShard& full;
  Sampler& sampler;
  BatchPlan plan;
  std::unique_ptr<TilesOnCpu> here;
  std::unique_ptr<TilesOnGpu> there;
  Selection selection;
  RowOrder order;
};

void BatchBuilder::State::take_own_rows(Batch& out) const {
  const int block = plan.own_block;
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
  out.loss_rows = plan.options.loss_rows ? order.loss_rows(block) : out.drawn;
  out.shard.grid = full.grid;
  out.shard.coord = full.coord;
  out.shard.vertices = selection.vertices;
  out.shard.block_rows = selection.block_rows;
  out.shard.own = {0, out.drawn};
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
    OPX_REQUIRE(!state_->plan.needs(i) || full.tile[i] != nullptr, InvalidArgument,
                "a batch of {} layers needs tile {}, which the resident shard was loaded without",
                options.layers, i);
  }
}

BatchBuilder::~BatchBuilder() = default;

void BatchBuilder::build(Index epoch, Index index, Batch& out) {
  const double start = base::now_seconds();
  State& s = *state_;
  s.sampler.draw(epoch, index, s.selection);
  if (s.plan.options.equal_rows) s.selection.block_rows = s.sampler.most_block_rows();
  s.order.set(s.selection);
  out.epoch = epoch;
  out.index = index;
  s.take_own_rows(out);
  out.nnz = out.sampled_degree = out.rows_without_neighbours = 0;
  out.shard.loss_rows = {};
  out.shard.symmetric = s.plan.symmetric_in(s.selection);
  if (s.there)
    s.there->build(s.selection, s.order, out);
  else
    s.here->build(s.selection, s.order, out);
  out.build_seconds = base::now_seconds() - start;
}

Index BatchBuilder::made_again() const noexcept { return state_->there ? state_->there->made_again() : 0; }

void release(device::Context& context, Batch& batch) {
  if (!context.on_gpu()) return;
  if (!batch.released) batch.released = std::make_shared<device::gpu::Event>();
  context.gpu().record(*batch.released, context.gpu().compute());
}

}  // namespace opx::sampling
