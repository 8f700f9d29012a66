// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/aggregate.hpp"

#include <utility>

#include "base/error.hpp"
#include "parallel/aggregate_pass.hpp"
#include "parallel/self_normalise.hpp"

namespace opx::parallel {

namespace {

using base::Phase;
using base::PhaseScope;
using tensor::MatrixView;

void check_shapes(const layout::GraphShard& shard, Index layer, bool transposed, MatrixView<const float> x,
                  MatrixView<const float> y) {
  Index taken = shard.block_rows, given = shard.rows_given(layer);
  if (transposed) std::swap(taken, given);
  OPX_REQUIRE(x.rows == taken && y.rows == given && y.cols == x.cols, DimensionMismatch,
              "aggregation of {} x {} into {} x {}; own rows are {}, and {} of the result", x.rows, x.cols,
              y.rows, y.cols, taken, given);
}

/// Whether collectives of a group run while this rank computes.
bool overlaps(const comm::Communicator& group) {
  return group.on_streams() || group.backend().starts_with("mpi");
}

MatrixView<const float> first_rows(MatrixView<const float> x, Index rows) { return x.middle_rows({0, rows}); }

}  // namespace

Aggregator::Aggregator(device::Context& context, ProcessGrid& grid, const layout::GraphShard& shard,
                       AggregateOptions options)
    : context_(context),
      grid_(grid),
      shard_(shard),
      options_(options),
      workspace_(std::make_unique<Workspace>()) {
  OPX_REQUIRE(options.panels >= 0 && options.panels <= 1024, InvalidArgument,
              "panels = {}; it takes 0 (auto) to 1024", options.panels);
}

Aggregator::~Aggregator() = default;

void Aggregator::forward(Index layer, MatrixView<const float> x, MatrixView<float> y,
                         comm::CommPurpose purpose) {
  workspace_->expect(options_.most_rows, shard_.block_rows);
  if (full_.empty()) return run(layer, false, options_.wire, x, y, purpose);
  if (factors_known_) {
    run(layer, false, options_.wire, x, y, purpose);
  } else {
    forward_with_sums(layer, x, y, purpose);
  }
  PhaseScope scope(context_.clock(), Phase::kElementwise, "self-normalise");
  const std::span<const float> c = workspace_->factors(context_, y.rows);
  detail::blend_rows(context_, c, diagonal_, first_rows(x, y.rows), y);
}

void Aggregator::backward(Index layer, MatrixView<const float> x, MatrixView<float> y,
                          comm::CommPurpose purpose) {
  workspace_->expect(options_.most_rows, shard_.block_rows);
  if (full_.empty()) return run(layer, true, options_.wire, x, y, purpose);
  OPX_REQUIRE(factors_known_, InternalError, "backward of a batch before its first forward aggregation");
  const std::span<const float> c = workspace_->factors(context_, x.rows);
  const MatrixView<float> scaled = workspace_->matrix(context_, x.rows, x.cols, 0);
  {
    PhaseScope scope(context_.clock(), Phase::kElementwise, "self-normalise");
    tensor::scale_rows(context_, x, c, scaled);
  }
  run(layer, true, options_.wire, scaled, y, purpose);
  PhaseScope scope(context_.clock(), Phase::kElementwise, "self-normalise");
  detail::add_rest_of_rows(context_, c, diagonal_, x, y);
}

void Aggregator::forward_spent(Index layer, MatrixView<float> x, MatrixView<float> y,
                               comm::CommPurpose purpose) {
  if (!full_.empty()) return forward(layer, x, y, purpose);
  workspace_->expect(options_.most_rows, shard_.block_rows);
  run_spent(layer, false, x, y, purpose);
}

void Aggregator::backward_spent(Index layer, MatrixView<float> x, MatrixView<float> y,
                                comm::CommPurpose purpose) {
  if (!full_.empty()) return backward(layer, x, y, purpose);
  workspace_->expect(options_.most_rows, shard_.block_rows);
  run_spent(layer, true, x, y, purpose);
}

void Aggregator::self_normalise(std::span<const float> full, std::span<const float> diagonal) {
  OPX_REQUIRE((full.empty() || std::ssize(full) == shard_.block_rows) && full.size() == diagonal.size(),
              DimensionMismatch, "{} row sums and {} diagonal entries for {} rows", full.size(),
              diagonal.size(), shard_.block_rows);
  full_ = full, diagonal_ = diagonal;
  factors_known_ = false;
}

void Aggregator::row_sums(Index layer, std::span<float> out, comm::CommPurpose purpose) {
  workspace_->expect(options_.most_rows, rows_taken());
  const MatrixView<float> ones = workspace_->matrix(context_, rows_taken(), 1, 0);
  tensor::fill(context_, 1, ones);
  run(layer, false, Wire::kFloat32, ones, {out.data(), rows_given(layer), 1}, purpose);
}

void Aggregator::add_rows_without_neighbours(Index layer, std::span<const float> diagonal, Index* count,
                                             comm::CommPurpose purpose) {
  const MatrixView<float> sums = workspace_->matrix(context_, rows_given(layer), 1, 1);
  row_sums(layer, {sums.data, static_cast<std::size_t>(sums.rows)}, purpose);
  detail::add_isolated_rows(context_, sums, diagonal, count);
}

/// The column of ones travels with x, unless that would round it (bf16) or nothing travels.
void Aggregator::forward_with_sums(Index layer, MatrixView<const float> x, MatrixView<float> y,
                                   comm::CommPurpose purpose) {
  const bool together = options_.wire == Wire::kFloat32 && grid_.grid().tensor_ranks() > 1;
  const Index cols = together ? x.cols + 1 : 1;
  const MatrixView<float> in = workspace_->matrix(context_, x.rows, cols, 0),
                          out = workspace_->matrix(context_, y.rows, cols, 1);
  tensor::fill(context_, 1, in.middle_cols({cols - 1, cols}));
  if (together) tensor::copy(context_, x, in.middle_cols({0, x.cols}));
  run(layer, false, Wire::kFloat32, in, out, purpose);
  if (together)
    tensor::copy(context_, out.middle_cols({0, x.cols}), y);
  else
    run(layer, false, options_.wire, x, y, purpose);
  detail::row_factors(context_, full_, diagonal_, out.middle_cols({cols - 1, cols}),
                      workspace_->factors(context_, y.rows));
  factors_known_ = true;
}

const layout::Tile& Aggregator::tile_of(Index layer, bool transposed) const {
  const auto rotation = static_cast<std::size_t>(layer % 3);
  const layout::LossRows& last = shard_.loss_rows;
  const layout::Tile* tile = layer == last.layer
                                 ? (transposed ? last.transposed : last.tile).get()
                                 : (transposed ? shard_.transposed : shard_.tile)[rotation].get();
  OPX_REQUIRE(tile != nullptr, InvalidArgument, "this shard was loaded without the transposes of its tiles");
  return *tile;
}

void Aggregator::run_spent(Index layer, bool transposed, MatrixView<float> x, MatrixView<float> y,
                           comm::CommPurpose purpose) {
  const layout::Tile& tile = tile_of(layer, transposed);
  if (grid_.grid().tensor_ranks() > 1 || x.size() == 0)
    return run(layer, transposed, options_.wire, x, y, purpose);
  check_shapes(shard_, layer, transposed, x, y);
  PhaseScope scope(context_.clock(), Phase::kSpmm, "aggregate multiply");
  const spmm::MultiplyOptions factors = detail::scale_columns(context_, tile, x);
  spmm::multiply(context_, tile.view(), MatrixView<const float>(x), y, factors);
}

void Aggregator::run(Index layer, bool transposed, Wire wire, MatrixView<const float> x, MatrixView<float> y,
                     comm::CommPurpose purpose) {
  const layout::Tile& tile = tile_of(layer, transposed);
  check_shapes(shard_, layer, transposed, x, y);
  if (x.size() == 0) return;
  if (grid_.grid().tensor_ranks() == 1) {
    PhaseScope scope(context_.clock(), Phase::kSpmm, "aggregate multiply");
    spmm::multiply(context_, tile.view(), x, y, tile.factors());
    return;
  }
  const layout::Roles roles = layout::roles_of(layer);
  comm::Communicator& members = grid_.axis(roles.c);
  comm::Communicator &gathering = grid_.axis(transposed ? roles.k : roles.r),
                     &reducing = grid_.axis(transposed ? roles.r : roles.k);
  // By the rows of a block, on which all ranks agree; rows of the loss differ from row slab to row slab.
  const Schedule schedule =
      make_schedule({members.size(), gathering.size(), reducing.size(), shard_.block_rows, x.cols}, options_,
                    overlaps(members));
  if (wire == Wire::kBfloat16) {
    Pass<bfloat16>(context_, {members, gathering, reducing}, tile, *workspace_, schedule, purpose, x, y)
        .run();
  } else {
    Pass<float>(context_, {members, gathering, reducing}, tile, *workspace_, schedule, purpose, x, y).run();
  }
}

}  // namespace opx::parallel
