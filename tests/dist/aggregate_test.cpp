// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The scatter scheme against dense products in double, over all factorings of the ranks there are.
#include "parallel/aggregate.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "layout/placement.hpp"
#include "parallel/shard_loader.hpp"
#include "support/blocks.hpp"
#include "support/memory_store.hpp"
#include "support/ranks.hpp"

namespace opx::parallel {
namespace {

using tensor::Matrix;
using test::Dense;

constexpr std::initializer_list<int> kWorlds = {1, 2, 3, 4, 6, 8};

device::ContextOptions one_thread() { return {.threads = 1, .logger = {}}; }

/// What one direction of one layer gives, with its traffic.
struct Outcome {
  Matrix<float> y;
  std::int64_t bytes = 0;
};

Outcome aggregate(device::Context& context, ProcessGrid& grid, const layout::GraphShard& shard,
                  Aggregator& aggregator, Index layer, bool backward, const Dense& x) {
  const Matrix<float> own = test::own_rows(context, shard, x);
  Outcome out{Matrix<float>(context, shard.block_rows, x.cols), 0};
  std::fill(out.y.span().begin(), out.y.span().end(), std::numeric_limits<float>::quiet_NaN());
  const std::int64_t before = grid.world().traffic().total_bytes();
  if (backward) {
    aggregator.backward(layer, own.view(), out.y.view());
  } else {
    aggregator.forward(layer, own.view(), out.y.view());
  }
  out.bytes = grid.world().traffic().total_bytes() - before;
  return out;
}

/// The same of an operand that may be overwritten; with several ranks it must stay as it is.
void check_spent(device::Context& context, ProcessGrid& grid, const layout::GraphShard& shard,
                 Aggregator& aggregator, Index layer, bool backward, const Dense& x, const Dense& want,
                 const std::string& what) {
  const Matrix<float> before = test::own_rows(context, shard, x);
  Matrix<float> spent = test::own_rows(context, shard, x), y(context, shard.block_rows, x.cols);
  if (backward) {
    aggregator.backward_spent(layer, spent.view(), y.view());
  } else {
    aggregator.forward_spent(layer, spent.view(), y.view());
  }
  test::expect_own_rows(shard, y, want, 2e-5, what + " spent");
  if (grid.grid().tensor_ranks() == 1) return;
  // Bytes: padded rows are NaN.
  EXPECT_TRUE(std::ranges::equal(std::as_bytes(spent.span()), std::as_bytes(before.span())))
      << what << ": x was overwritten";
}

Index words(const layout::GraphShard& shard, Index layer, Index width, bool backward) {
  return layout::aggregate_words(shard.grid, layout::roles_of(layer), shard.coord, shard.block_rows, width,
                                 backward)
      .total();
}

/// Forward and backward of three layers at each width, against the oracle.
void check_graph(comm::Communicator& world, const layout::Grid& shape, const test::MemoryStore& store,
                 Normalisation normalisation, test::Factors factors, bool self_loops,
                 std::vector<Index> widths) {
  device::Context context(one_thread());
  ProcessGrid grid(world, shape);
  const layout::GraphShard shard =
      load_shard(context, grid, store, {.normalisation = normalisation, .add_self_loops = self_loops});
  const Dense a = store.normalised(factors, self_loops), at = a.transposed();
  Aggregator aggregator(context, grid, shard, {});
  for (const Index width : widths) {
    const Dense x = test::random_dense(store.info().vertices, width, 7);
    const Dense want[2] = {a * x, at * x};
    for (Index layer = 0; layer < 3; ++layer) {
      for (const bool backward : {false, true}) {
        const std::string what = layout::to_string(shape) + " N " + std::to_string(store.info().vertices) +
                                 " layer " + std::to_string(layer) + " width " + std::to_string(width) +
                                 (backward ? " back" : "");
        const Outcome out = aggregate(context, grid, shard, aggregator, layer, backward, x);
        test::expect_own_rows(shard, out.y, want[backward ? 1 : 0], 2e-5, what);
        EXPECT_EQ(out.bytes, 4 * words(shard, layer, width, backward)) << what;
        check_spent(context, grid, shard, aggregator, layer, backward, x, want[backward ? 1 : 0], what);
      }
    }
  }
}

void for_each_grid(const std::function<void(comm::Communicator&, const layout::Grid&)>& body) {
  test::for_each_world(kWorlds, [&](comm::Communicator& world) {
    for (const layout::Grid& shape : layout::tensor_grids(world.size())) body(world, shape);
  });
}

TEST(Aggregate, EqualsDenseOnEveryGridSymmetric) {
  const auto store = test::random_store({.vertices = 61, .degree = 3, .symmetric = true, .seed = 1});
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    check_graph(world, shape, store, Normalisation::kSymmetric, test::Factors::kSymmetric, true,
                {1, 2, 3, 8, 47});
  });
}

TEST(Aggregate, EqualsDenseOnEveryGridDirectedAndWeighted) {
  const auto store =
      test::random_store({.vertices = 61, .degree = 5, .symmetric = false, .weighted = true, .seed = 2});
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    check_graph(world, shape, store, Normalisation::kSymmetric, test::Factors::kSymmetric, true, {3, 8});
    check_graph(world, shape, store, Normalisation::kRow, test::Factors::kRow, false, {2});
    check_graph(world, shape, store, Normalisation::kNone, test::Factors::kNone, true, {5});
  });
}

TEST(Aggregate, SymmetricPatternWithRowFactors) {
  const auto store =
      test::random_store({.vertices = 61, .degree = 3, .symmetric = true, .weighted = true, .seed = 3});
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    check_graph(world, shape, store, Normalisation::kRow, test::Factors::kRow, false, {3});
    check_graph(world, shape, store, Normalisation::kNone, test::Factors::kNone, false, {2});
  });
}

TEST(Aggregate, TinyGraphs) {
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    const Index p = world.size();
    for (const Index n : {Index{0}, Index{1}, p - 1, p, p + 1}) {
      const auto store = test::random_store({.vertices = n, .degree = 2, .symmetric = false, .seed = 4});
      check_graph(world, shape, store, Normalisation::kSymmetric, test::Factors::kSymmetric, true, {1, 3});
    }
  });
}

TEST(Aggregate, GraphWithoutEdgesIsZeroOrIdentity) {
  const test::MemoryStore store(13, {});
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    check_graph(world, shape, store, Normalisation::kNone, test::Factors::kNone, false, {3});
    check_graph(world, shape, store, Normalisation::kSymmetric, test::Factors::kSymmetric, true, {3});
  });
}

// All edges among the first vertices: most tiles are empty.
TEST(Aggregate, EmptyTiles) {
  std::vector<test::Entry> entries;
  for (Index i = 0; i < 4; ++i) {
    for (Index j = 0; j < 4; ++j) entries.push_back({i, j});
  }
  const test::MemoryStore store(61, entries);
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    check_graph(world, shape, store, Normalisation::kRow, test::Factors::kRow, false, {5});
  });
}

bool same_bits(const Matrix<float>& a, const Matrix<float>& b) {
  return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0;
}

TEST(Aggregate, PanelsAndRepetitionsGiveTheSameBits) {
  const auto store = test::random_store({.vertices = 61, .degree = 6, .symmetric = false, .seed = 5});
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    device::Context context(one_thread());
    ProcessGrid grid(world, shape);
    const layout::GraphShard shard = load_shard(context, grid, store, {});
    for (const Wire wire : {Wire::kFloat32, Wire::kBfloat16}) {
      for (const Index width : {Index{1}, Index{3}, Index{47}}) {
        const Dense x = test::random_dense(61, width, 9);
        Aggregator once(context, grid, shard, {.wire = wire, .panels = 1});
        for (Index layer = 0; layer < 3; ++layer) {
          for (const bool backward : {false, true}) {
            const Outcome first = aggregate(context, grid, shard, once, layer, backward, x);
            EXPECT_TRUE(same_bits(first.y, aggregate(context, grid, shard, once, layer, backward, x).y));
            for (const int panels : {2, 3, 4}) {
              for (const Pipeline pipeline : {Pipeline::kOn, Pipeline::kOff}) {
                Aggregator cut(context, grid, shard, {.wire = wire, .panels = panels, .pipeline = pipeline});
                const Outcome out = aggregate(context, grid, shard, cut, layer, backward, x);
                EXPECT_TRUE(same_bits(first.y, out.y)) << layout::to_string(shape) << " panels " << panels;
                EXPECT_EQ(out.bytes, first.bytes);
              }
            }
          }
        }
      }
    }
  });
}

// bf16 has 8 bits of mantissa: features, partial sums and results are each rounded by at most 2^-9 of their
// size.
TEST(Aggregate, Bfloat16WireIsHalfTheBytesWithinItsRounding) {
  const auto store = test::random_store({.vertices = 61, .degree = 3, .symmetric = true, .seed = 6});
  const Dense a = store.normalised(test::Factors::kSymmetric, true);
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    device::Context context(one_thread());
    ProcessGrid grid(world, shape);
    const layout::GraphShard shard = load_shard(context, grid, store, {});
    Aggregator aggregator(context, grid, shard, {.wire = Wire::kBfloat16, .panels = 0});
    for (const Index width : {Index{3}, Index{8}}) {
      const Dense x = test::random_dense(61, width, 11);
      const Dense want = a * x;
      for (Index layer = 0; layer < 3; ++layer) {
        const Outcome out = aggregate(context, grid, shard, aggregator, layer, false, x);
        test::expect_own_rows(shard, out.y, want, world.size() == 1 ? 2e-5 : 3e-2, layout::to_string(shape));
        EXPECT_EQ(out.bytes, 2 * words(shard, layer, width, false));
      }
    }
  });
}

// The memory model's line for gathered slabs, on the rank of C with the most columns.
TEST(Aggregate, WorkspaceIsWhatTheFormulaSays) {
  const auto store = test::random_store({.vertices = 61, .degree = 3, .symmetric = true, .seed = 6});
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    ProcessGrid grid(world, shape);
    device::Context context(one_thread());
    const layout::GraphShard shard = load_shard(context, grid, store, {});
    for (const AggregateOptions options :
         {AggregateOptions{.panels = 1}, AggregateOptions{.wire = Wire::kBfloat16, .panels = 1},
          AggregateOptions{.panels = 2, .pipeline = Pipeline::kOff},
          AggregateOptions{.panels = 2, .pipeline = Pipeline::kOn}}) {
      for (Index layer = 0; layer < 3; ++layer) {
        const layout::Roles roles = layout::roles_of(layer);
        Matrix<float> x(context, shard.block_rows, 13), y(context, shard.block_rows, 13);
        std::fill(x.span().begin(), x.span().end(), 1.0F);
        const auto before = context.memory().now();
        Aggregator aggregator(context, grid, shard, options);
        aggregator.backward(layer, x.view(), y.view());
        const auto used = static_cast<std::int64_t>(context.memory().now() - before);
        const auto want = aggregate_workspace(shape, roles, shard.block_rows, 13, true, options, false);
        if (grid.coord()[roles.c] == 0 &&
            options.pipeline != Pipeline::kOn) {  // else a later panel may be narrower
          EXPECT_EQ(used, want) << layout::to_string(shape);
        } else {
          EXPECT_LE(used, want) << layout::to_string(shape);
        }
      }
    }
  });
}

// The columns of a wider matrix, as residual and concatenating layers pass them.
TEST(Aggregate, StridedViews) {
  const auto store = test::random_store({.vertices = 61, .degree = 3, .symmetric = true, .seed = 8});
  const Dense a = store.normalised(test::Factors::kSymmetric, true), x = test::random_dense(61, 12, 13);
  const Dense want = a * x;
  for_each_grid([&](comm::Communicator& world, const layout::Grid& shape) {
    device::Context context(one_thread());
    ProcessGrid grid(world, shape);
    const layout::GraphShard shard = load_shard(context, grid, store, {});
    const Matrix<float> own = test::own_rows(context, shard, x);
    Matrix<float> y(context, shard.block_rows, 12);
    std::fill(y.span().begin(), y.span().end(), 5.0F);
    Aggregator aggregator(context, grid, shard, {});
    aggregator.forward(0, own.view().middle_cols({2, 9}), y.view().middle_cols({2, 9}));
    for (Index i = 0; i < shard.own.size(); ++i) {
      for (Index j = 0; j < 12; ++j) {
        EXPECT_NEAR(y(i, j), j >= 2 && j < 9 ? want(shard.own.begin + i, j) : 5.0, 2e-5);
      }
    }
  });
}

TEST(Aggregate, RejectsWhatDoesNotFit) {
  const auto store = test::random_store({.vertices = 10, .seed = 1});
  test::for_each_world({1, 2}, [&](comm::Communicator& world) {
    device::Context context(one_thread());
    EXPECT_THROW(ProcessGrid(world, {.gx = 7}), base::InvalidArgument);
    ProcessGrid grid(world, {.gx = world.size()});
    const layout::GraphShard shard = load_shard(context, grid, store, {.need_backward = false});
    Aggregator aggregator(context, grid, shard, {});
    Matrix<float> x(context, shard.block_rows + 1, 3), y(context, shard.block_rows, 3);
    EXPECT_THROW(aggregator.forward(0, x.view(), y.view()), base::DimensionMismatch);
    EXPECT_THROW(aggregator.backward(0, y.view(), y.view()), base::InvalidArgument);
    EXPECT_THROW(Aggregator(context, grid, shard, {.panels = -1}), base::InvalidArgument);
  });
}

TEST(ProcessGrid, GroupsFollowTheCoordinates) {
  test::for_each_world({8}, [&](comm::Communicator& world) {
    if (world.size() != 8) return;
    ProcessGrid grid(world, {.gx = 2, .gy = 2, .gz = 1, .gd = 2});
    EXPECT_EQ(grid.coord(), grid.grid().coord_of(world.rank()));
    EXPECT_EQ(grid.axis(layout::Axis::kX).rank(), grid.coord().x);
    EXPECT_EQ(grid.axis(layout::Axis::kY).rank(), grid.coord().y);
    EXPECT_EQ(grid.axis(layout::Axis::kZ).size(), 1);
    EXPECT_EQ(grid.tensor().size(), 4);
    EXPECT_EQ(grid.tensor().rank(), world.rank() % 4);
    EXPECT_EQ(grid.data().size(), 2);
    EXPECT_EQ(grid.data().rank(), grid.coord().d);
    EXPECT_EQ(grid.axis(layout::Axis::kX).axis(), comm::CommAxis::kX);
    // The X group of (x, y, z, d) holds the ranks that differ in x alone.
    std::vector<int> members(2);
    const int rank = world.rank();
    grid.axis(layout::Axis::kX).all_gather<int>({&rank, 1}, members, comm::CommPurpose::kOther);
    for (int x = 0; x < 2; ++x) {
      layout::Coord c = grid.coord();
      c.x = x;
      EXPECT_EQ(members[static_cast<std::size_t>(x)], grid.grid().rank_of(c));
    }
  });
}

}  // namespace
}  // namespace opx::parallel
