// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Tiles of a sub-batch on every grid beside a slice of the whole normalised matrix, to the bit; and that no
// rank says a word while they are cut.
#include "sampling/batch.hpp"

#include <cmath>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "parallel/aggregate.hpp"
#include "parallel/shard_loader.hpp"
#include "spmm/csr.hpp"
#include "support/blocks.hpp"
#include "support/fake_sampler.hpp"
#include "support/memory_store.hpp"
#include "support/ranks.hpp"
#include "tensor/update.hpp"

namespace opx::sampling {
namespace {

using parallel::Normalisation;

device::ContextOptions threads(int n) { return {.threads = n, .logger = {}}; }

struct Case {
  std::string name;
  test::RandomGraph graph;
  Normalisation normalisation = Normalisation::kSymmetric;
  bool add_self_loops = true;
  Estimator estimator = Estimator::kUnbiased;
  test::FakeOptions sampler{};
};

std::vector<Case> cases() {
  return {
      {"undirected", {.vertices = 61, .seed = 1}},
      {"undirected, equal factors",
       {.vertices = 61, .seed = 1},
       Normalisation::kSymmetric,
       true,
       Estimator::kUnbiased,
       {.equal_factors = true}},
      {"self-normalised",
       {.vertices = 61, .seed = 2},
       Normalisation::kSymmetric,
       true,
       Estimator::kSelfNormalised},
      {"directed", {.vertices = 61, .symmetric = false, .seed = 3}},
      {"directed, row", {.vertices = 53, .symmetric = false, .seed = 4}, Normalisation::kRow},
      {"undirected, row, self-normalised",
       {.vertices = 53, .seed = 4},
       Normalisation::kRow,
       true,
       Estimator::kSelfNormalised},
      {"weighted", {.vertices = 64, .weighted = true, .seed = 5}},
      {"weighted directed, as it is",
       {.vertices = 64, .symmetric = false, .weighted = true, .seed = 6},
       Normalisation::kNone,
       false},
      {"an empty block",
       {.vertices = 61, .seed = 7},
       Normalisation::kSymmetric,
       true,
       Estimator::kUnbiased,
       {.empty_block = 0}},
      {"every vertex",
       {.vertices = 61, .seed = 8},
       Normalisation::kSymmetric,
       true,
       Estimator::kUnbiased,
       {.ratio = 1.1}},
      {"no vertex",
       {.vertices = 61, .seed = 8},
       Normalisation::kSymmetric,
       true,
       Estimator::kUnbiased,
       {.ratio = 0.0}},
      {"fewer vertices than ranks", {.vertices = 5, .seed = 9}},
  };
}

/// The whole normalised matrix in floats, its values multiplied in the order of the contract.
class WholeMatrix {
 public:
  WholeMatrix(const test::MemoryStore& store, const Case& c)
      : raw_(store.normalised(test::Factors::kNone, c.add_self_loops)), normalisation_(c.normalisation) {
    const auto n = static_cast<std::size_t>(raw_.rows);
    std::vector<float> in(n), out(n);
    std::vector<std::uint8_t> has_loop(n);
    store.read_degrees({0, raw_.rows}, in, out);
    store.read_self_loops({0, raw_.rows}, has_loop);
    for (std::size_t v = 0; v < n; ++v) {
      const float loop = c.add_self_loops && has_loop[v] == 0 ? 1.0F : 0.0F;
      rows_.push_back(scale(in[v] + loop, true));
      cols_.push_back(scale(out[v] + loop, false));
    }
  }
  [[nodiscard]] float operator()(Index v, Index u) const {
    return rows_[static_cast<std::size_t>(v)] * cols_[static_cast<std::size_t>(u)] *
           static_cast<float>(raw_(v, u));
  }

 private:
  [[nodiscard]] float scale(double sum, bool of_rows) const {
    if (sum == 0 || normalisation_ == Normalisation::kNone) return 1;
    if (normalisation_ == Normalisation::kSymmetric) return static_cast<float>(1 / std::sqrt(sum));
    return of_rows ? static_cast<float>(1 / sum) : 1.0F;
  }
  test::Dense raw_;
  Normalisation normalisation_;
  std::vector<float> rows_, cols_;
};

/// What a sub-batch makes of it.
class Reference {
 public:
  Reference(const WholeMatrix& full, Index vertices, Estimator estimator, const test::FakeSampler& sampler,
            Index epoch, Index index)
      : full_(full), estimator_(estimator), sampler_(sampler) {
    for (Index v = 0; v < vertices; ++v) in_.push_back(sampler.in(epoch, index, v));
  }
  [[nodiscard]] bool in(Index v) const { return in_[static_cast<std::size_t>(v)]; }
  [[nodiscard]] float full(Index v, Index u) const { return full_(v, u); }
  [[nodiscard]] float operator()(Index v, Index u) const {
    if (!in(v) || !in(u)) return 0;
    const bool plain = v == u || estimator_ == Estimator::kSelfNormalised;
    return plain ? full(v, u) : full(v, u) * sampler_.factor(v, u);
  }

 private:
  const WholeMatrix& full_;
  Estimator estimator_;
  const test::FakeSampler& sampler_;
  std::vector<bool> in_;
};

/// Position of each index of a slab of the sub-batch, -1 for padding.
std::vector<Index> slab_positions(const layout::GraphShard& full, const Batch& batch, const Reference& want,
                                  const std::vector<int>& blocks) {
  std::vector<Index> positions;
  for (const int b : blocks) {
    const std::size_t end = positions.size() + static_cast<std::size_t>(batch.shard.block_rows);
    const Range range = layout::block_range(full.vertices, full.grid.tensor_ranks(), b);
    for (Index v = range.begin; v < range.end; ++v) {
      if (want.in(v)) positions.push_back(v);
    }
    EXPECT_LE(positions.size(), end);
    positions.resize(end, -1);
  }
  return positions;
}

void expect_tile(const layout::Tile& tile, const std::vector<Index>& rows, const std::vector<Index>& cols,
                 const Reference& want, bool transposed) {
  const spmm::CsrView a = tile.view();
  ASSERT_NO_THROW(spmm::validate(a));
  ASSERT_EQ(a.rows, std::ssize(rows));
  ASSERT_EQ(a.cols, std::ssize(cols));
  ASSERT_EQ(a.values.size(), a.col_ids.size());
  EXPECT_TRUE(tile.row_scale.empty());
  EXPECT_TRUE(tile.col_scale.empty());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Index e = a.row_offsets[i];
    for (std::size_t j = 0; j < cols.size(); ++j) {
      const bool real = rows[i] >= 0 && cols[j] >= 0;
      const float value = !real ? 0.0F : transposed ? want(cols[j], rows[i]) : want(rows[i], cols[j]);
      if (value == 0) continue;
      ASSERT_LT(e, a.row_offsets[i + 1]) << "row " << i << ", column " << j << " is missing";
      ASSERT_EQ(a.col_ids[static_cast<std::size_t>(e)], static_cast<std::int32_t>(j)) << "row " << i;
      ASSERT_EQ(a.values[static_cast<std::size_t>(e)], value) << rows[i] << " <- " << cols[j];
      ++e;
    }
    ASSERT_EQ(e, a.row_offsets[i + 1]) << "row " << i << " has more";
  }
}

void expect_own_rows(const layout::GraphShard& full, const Batch& batch, const Reference& want,
                     const test::FakeSampler& sampler) {
  std::size_t i = 0;
  for (Index v = full.own.begin; v < full.own.end; ++v) {
    if (!want.in(v)) continue;
    ASSERT_LT(i, batch.positions.size());
    EXPECT_EQ(batch.positions[i], v);
    EXPECT_EQ(batch.local_row[i], v - full.own.begin);
    EXPECT_EQ(batch.weight[i], sampler.weight(v));
    EXPECT_EQ(batch.diagonal[i], want.full(v, v));
    ++i;
  }
  EXPECT_EQ(batch.rows(), static_cast<Index>(i));
  EXPECT_EQ(batch.shard.own, (Range{0, batch.rows()}));
  EXPECT_LE(batch.rows(), batch.shard.block_rows);
  EXPECT_EQ(batch.weight.size(), i);
  EXPECT_EQ(batch.diagonal.size(), i);
  EXPECT_EQ(batch.local_row.size(), i);
}

void expect_counts(const Batch& batch, const std::vector<Index>& rows, const std::vector<Index>& cols,
                   const Reference& want) {
  Index nnz = 0, off = 0, without = 0;
  for (const Index v : rows) {
    if (v < 0) continue;
    Index neighbours = 0;
    for (const Index u : cols) {
      if (u < 0 || want(v, u) == 0) continue;
      ++nnz;
      if (u != v) ++neighbours;
    }
    off += neighbours;
    without += neighbours == 0 ? 1 : 0;
  }
  EXPECT_EQ(batch.nnz, nnz);
  EXPECT_EQ(batch.sampled_degree, off);
  EXPECT_EQ(batch.rows_without_neighbours, without);
}

void expect_batch(const layout::GraphShard& full, const Batch& batch, const Reference& want,
                  const test::FakeSampler& sampler) {
  Index vertices = 0;
  for (Index v = 0; v < full.vertices; ++v) vertices += want.in(v) ? 1 : 0;
  EXPECT_EQ(batch.shard.vertices, vertices);
  EXPECT_EQ(batch.shard.grid, full.grid);
  EXPECT_EQ(batch.shard.coord, full.coord);
  expect_own_rows(full, batch, want, sampler);
  for (std::size_t i = 0; i < 3; ++i) {
    const layout::Roles roles = layout::roles_of(static_cast<Index>(i));
    const auto rows =
        slab_positions(full, batch, want, layout::row_blocks(full.grid, roles, full.coord[roles.r]));
    const auto cols =
        slab_positions(full, batch, want, layout::column_blocks(full.grid, roles, full.coord[roles.k]));
    expect_tile(*batch.shard.tile[i], rows, cols, want, false);
    expect_tile(*batch.shard.transposed[i], cols, rows, want, true);
    if (i == 0) expect_counts(batch, rows, cols, want);
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_EQ(batch.shard.tile[i] == batch.shard.tile[j], full.tile[i] == full.tile[j]);
  }
}

void check_grid(comm::Communicator& world, const layout::Grid& shape, const test::MemoryStore& store,
                const WholeMatrix& matrix, const Case& c) {
  device::Context context(threads(1));
  parallel::ProcessGrid grid(world, shape);
  const layout::GraphShard full = load_shard(
      context, grid, store,
      {.normalisation = c.normalisation, .add_self_loops = c.add_self_loops, .need_backward = false});
  test::FakeSampler sampler(store.info().vertices, shape, blocks_of_rank(shape, full.coord, 3), c.sampler);
  BatchBuilder builder(context, full, store, sampler, {.estimator = c.estimator});
  Batch batch;
  for (const auto& [epoch, index] : {std::pair<Index, Index>{0, 0}, {0, 3}, {2, 1}}) {
    SCOPED_TRACE("epoch " + std::to_string(epoch) + ", sub-batch " + std::to_string(index));
    world.traffic().reset();
    for (auto* group : {&grid.tensor(), &grid.data()}) group->traffic().reset();
    for (int a = 0; a < 3; ++a) grid.axis(static_cast<layout::Axis>(a)).traffic().reset();
    builder.build(epoch, index, batch);
    Index bytes = world.traffic().total_bytes();
    for (auto* group : {&grid.tensor(), &grid.data()}) bytes += group->traffic().total_bytes();
    for (int a = 0; a < 3; ++a) bytes += grid.axis(static_cast<layout::Axis>(a)).traffic().total_bytes();
    EXPECT_EQ(bytes, 0);
    EXPECT_EQ(batch.epoch, epoch);
    EXPECT_EQ(batch.index, index);
    expect_batch(full, batch, Reference(matrix, full.vertices, c.estimator, sampler, epoch, index), sampler);
  }
}

TEST(BatchBuilder, EqualsTheSliceOfTheWholeMatrixOnEveryGrid) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const test::MemoryStore store = test::random_store(c.graph);
    const WholeMatrix matrix(store, c);
    test::for_each_world({1, 2, 3, 4, 6, 8}, [&](comm::Communicator& world) {
      for (const layout::Grid& shape : layout::tensor_grids(world.size())) {
        const testing::ScopedTrace trace(__FILE__, __LINE__, layout::to_string(shape));
        check_grid(world, shape, store, matrix, c);
      }
    });
  }
}

TEST(BatchBuilder, SharesTransposesWhereValuesAreSymmetric) {
  const test::MemoryStore store = test::random_store({.vertices = 61, .seed = 1});
  test::for_each_world({4}, [&](comm::Communicator& world) {
    if (world.size() != 4) return;
    device::Context context(threads(1));
    parallel::ProcessGrid grid(world, {.gz = 4});
    const auto full = load_shard(context, grid, store, {.need_backward = false});
    for (const bool equal : {false, true}) {
      for (const Estimator estimator : {Estimator::kUnbiased, Estimator::kSelfNormalised}) {
        test::FakeSampler sampler(61, grid.grid(), test::all_blocks(grid.grid()), {.equal_factors = equal});
        BatchBuilder builder(context, full, store, sampler, {.estimator = estimator});
        Batch batch;
        builder.build(0, 0, batch);
        const bool shared = equal || estimator == Estimator::kSelfNormalised;
        EXPECT_EQ(batch.shard.symmetric, shared);
        EXPECT_EQ(batch.shard.transposed[0] == batch.shard.tile[1], shared);
        EXPECT_EQ(batch.shard.transposed[1] == batch.shard.tile[0], shared);
        EXPECT_EQ(batch.shard.transposed[2] == batch.shard.tile[2], shared);
      }
    }
  });
}

TEST(BatchBuilder, BuildsWhatTheLayersNeed) {
  const auto store = test::random_store({.vertices = 61, .symmetric = false, .seed = 1});
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    device::Context context(threads(1));
    parallel::ProcessGrid grid(world, {.gx = world.size()});
    const auto full = load_shard(context, grid, store, {.need_backward = false, .layers = 2});
    test::FakeSampler sampler(61, grid.grid(), test::all_blocks(grid.grid()), {});
    BatchBuilder two(context, full, store, sampler, {.layers = 2, .first_backward_layer = 1});
    Batch batch;
    two.build(0, 0, batch);
    EXPECT_NE(batch.shard.tile[0], nullptr);
    EXPECT_NE(batch.shard.tile[1], nullptr);
    EXPECT_EQ(batch.shard.tile[2], nullptr);
    EXPECT_EQ(batch.shard.transposed[0], nullptr);
    EXPECT_NE(batch.shard.transposed[1], nullptr);
    EXPECT_EQ(batch.shard.transposed[2], nullptr);
    BatchBuilder forward(context, full, store, sampler, {.layers = 2, .need_backward = false});
    forward.build(0, 0, batch);
    EXPECT_EQ(batch.shard.transposed[1], nullptr);
    BatchBuilder none(context, full, store, sampler, {.layers = 0});
    none.build(0, 0, batch);
    EXPECT_EQ(batch.shard.tile[0], nullptr);
    EXPECT_EQ(batch.nnz, 0);
    EXPECT_EQ(batch.diagonal, std::vector<float>(batch.positions.size(), 0.0F));
    EXPECT_THROW(BatchBuilder(context, full, store, sampler, {.layers = 3}), base::InvalidArgument);
    EXPECT_THROW(BatchBuilder(context, full, store, sampler, {.layers = -1}), base::InvalidArgument);
    const auto other = test::random_store({.vertices = 60, .seed = 1});
    EXPECT_THROW(BatchBuilder(context, full, other, sampler, {.layers = 2}), base::DimensionMismatch);
  });
}

// ---------------------------------------------------------------- rows of the loss alone

test::MemoryStore store_with_splits(const test::RandomGraph& graph) {
  test::MemoryStore store = test::random_store(graph);
  std::vector<graph::Split> splits(static_cast<std::size_t>(store.info().vertices), graph::Split::kTest);
  // None in the last third, so that some blocks have no row of the loss.
  for (std::size_t v = 0; v < splits.size() * 2 / 3; ++v)
    if (test::uniform(21, static_cast<Index>(v)) > 0.2) splits[v] = graph::Split::kTrain;
  store.set_splits(std::move(splits));
  return store;
}

/// Positions of each index of a slab whose blocks have `rows` rows: first the training vertices, then, where
/// `others`, the rest; -1 for padding.
std::vector<Index> loss_first(const layout::GraphShard& full, const std::vector<graph::Split>& splits,
                              const Reference& want, const std::vector<int>& blocks, Index rows,
                              bool others) {
  std::vector<Index> positions;
  for (const int b : blocks) {
    const std::size_t end = positions.size() + static_cast<std::size_t>(rows);
    const Range range = layout::block_range(full.vertices, full.grid.tensor_ranks(), b);
    for (const bool train : {true, false}) {
      for (Index v = range.begin; v < range.end && (train || others); ++v)
        if (want.in(v) && train == (splits[static_cast<std::size_t>(v)] == graph::Split::kTrain))
          positions.push_back(v);
    }
    EXPECT_LE(positions.size(), end);
    positions.resize(end, -1);
  }
  return positions;
}

/// Columns in any order.
void expect_entries(const layout::Tile& tile, const std::vector<Index>& rows, const std::vector<Index>& cols,
                    const Reference& want, bool transposed) {
  const spmm::CsrView a = tile.view();
  ASSERT_EQ(a.rows, std::ssize(rows));
  ASSERT_EQ(a.cols, std::ssize(cols));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<float> row(cols.size(), 0.0F), expected(cols.size(), 0.0F);
    for (Index e = a.row_offsets[i]; e < a.row_offsets[i + 1]; ++e)
      row[static_cast<std::size_t>(a.col_ids[static_cast<std::size_t>(e)])] +=
          a.values[static_cast<std::size_t>(e)];
    for (std::size_t j = 0; j < cols.size(); ++j)
      if (rows[i] >= 0 && cols[j] >= 0)
        expected[j] = transposed ? want(cols[j], rows[i]) : want(rows[i], cols[j]);
    EXPECT_EQ(row, expected) << "row " << i;
  }
}

TEST(BatchBuilder, LossRowsOnEveryGridWithoutAWord) {
  const Case c{"directed", {.vertices = 61, .symmetric = false, .seed = 3}};
  const test::MemoryStore store = store_with_splits(c.graph);
  const WholeMatrix matrix(store, c);
  std::vector<graph::Split> splits(61);
  store.read_splits({0, 61}, splits);
  test::for_each_world({1, 2, 3, 4, 6, 8}, [&](comm::Communicator& world) {
    for (const layout::Grid& shape : layout::tensor_grids(world.size())) {
      const testing::ScopedTrace trace(__FILE__, __LINE__, layout::to_string(shape));
      device::Context context(threads(1));
      parallel::ProcessGrid grid(world, shape);
      const auto full = load_shard(context, grid, store, {.need_backward = false});
      test::FakeSampler sampler(61, shape, blocks_of_rank(shape, full.coord, 3), c.sampler);
      for (const Index layers : {Index{1}, Index{2}, Index{5}}) {
        world.traffic().reset();
        BatchBuilder builder(context, full, store, sampler, {.layers = layers, .loss_rows = true});
        Batch batch;
        builder.build(0, 3, batch);
        EXPECT_EQ(world.traffic().total_bytes(), 0);
        const Reference want(matrix, 61, c.estimator, sampler, 0, 3);
        const auto slab = [&](const std::vector<int>& blocks, Index rows, bool others) {
          return loss_first(full, splits, want, blocks, rows, others);
        };
        const layout::LossRows& last = batch.shard.loss_rows;
        ASSERT_EQ(last.layer, layers - 1);
        const Index n = batch.shard.block_rows;
        for (Index layer = 0; layer < layers; ++layer) {
          const layout::Roles roles = layout::roles_of(layer);
          const auto rows = layout::row_blocks(full.grid, roles, full.coord[roles.r]);
          const auto cols = slab(layout::column_blocks(full.grid, roles, full.coord[roles.k]), n, true);
          if (layer + 1 < layers) {
            expect_entries(batch.shard.forward(layer), slab(rows, n, true), cols, want, false);
            expect_entries(batch.shard.backward(layer), cols, slab(rows, n, true), want, true);
            continue;
          }
          Index most = 1;
          for (const int b : rows) {
            const auto some = slab({b}, n, false);
            most = std::max(most, std::ssize(some) - std::count(some.begin(), some.end(), Index{-1}));
          }
          EXPECT_EQ(last.rows, std::min(most, n));
          expect_entries(*last.tile, slab(rows, last.rows, false), cols, want, false);
          expect_entries(*last.transposed, cols, slab(rows, last.rows, false), want, true);
        }
        const auto own = slab({shape.rank_of(full.coord)}, n, true);
        EXPECT_TRUE(std::equal(batch.positions.begin(), batch.positions.end(), own.begin()));
        EXPECT_EQ(batch.loss_rows,
                  std::count_if(batch.positions.begin(), batch.positions.end(), [&](Index v) {
                    return splits[static_cast<std::size_t>(v)] == graph::Split::kTrain;
                  }));
        const Index counted = layers == 1 ? batch.loss_rows : batch.rows();
        for (Index i = 0; i < batch.rows(); ++i) {
          const Index v = batch.positions[static_cast<std::size_t>(i)];
          EXPECT_EQ(batch.weight[static_cast<std::size_t>(i)], sampler.weight(v));
          EXPECT_EQ(batch.diagonal[static_cast<std::size_t>(i)], i < counted ? want.full(v, v) : 0);
        }
      }
    }
  });
}

// On one rank: what is left is the rows of the loss and what they read, with the same entries.
TEST(BatchBuilder, DropsWhatNoLossReads) {
  const Case c{"directed", {.vertices = 200, .degree = 2, .symmetric = false, .seed = 3}};
  const test::MemoryStore store = store_with_splits(c.graph);
  const WholeMatrix matrix(store, c);
  std::vector<graph::Split> splits(200);
  store.read_splits({0, 200}, splits);
  test::for_each_world({1, 2}, [&](comm::Communicator& world) {
    device::Context context(threads(1));
    const layout::Grid shape{.gz = world.size()};
    parallel::ProcessGrid grid(world, shape);
    const auto full = load_shard(context, grid, store, {.need_backward = false});
    test::FakeSampler sampler(200, shape, test::all_blocks(shape), c.sampler);
    for (const Index first : {Index{1}, Index{0}}) {
      BatchBuilder builder(context, full, store, sampler,
                           {.layers = 2, .first_layer = first, .loss_rows = true, .drop_unread = true});
      Batch batch;
      builder.build(0, 1, batch);
      if (first == 0 || world.size() > 1) {
        EXPECT_EQ(batch.rows(), batch.drawn) << "layer 0 reads them, or another rank may";
        continue;
      }
      const Reference want(matrix, 200, c.estimator, sampler, 0, 1);
      const auto trains = [&](Index v) {
        return splits[static_cast<std::size_t>(v)] == graph::Split::kTrain;
      };
      std::vector<Index> kept, loss;
      Index drawn = 0;
      for (const bool train : {true, false}) {
        for (Index u = 0; u < 200; ++u) {
          if (!want.in(u) || trains(u) != train) continue;
          ++drawn;
          bool read = train;
          for (Index v = 0; v < 200; ++v) read = read || (trains(v) && want(v, u) != 0);
          if (read) kept.push_back(u);
          if (train) loss.push_back(u);
        }
      }
      EXPECT_EQ(batch.drawn, drawn);
      EXPECT_LT(std::ssize(kept), drawn) << "the case shows nothing";
      EXPECT_EQ(batch.positions, kept);
      EXPECT_EQ(batch.shard.block_rows, std::ssize(kept));
      EXPECT_EQ(batch.shard.vertices, std::ssize(kept));
      for (std::size_t i = 0; i < kept.size(); ++i) {
        EXPECT_EQ(batch.local_row[i], kept[i]);
        EXPECT_EQ(batch.weight[i], sampler.weight(kept[i]));
      }
      expect_entries(*batch.shard.loss_rows.tile, loss, kept, want, false);
      expect_entries(*batch.shard.loss_rows.transposed, kept, loss, want, true);
    }
  });
}

/// What Aggregator makes of a sub-batch's shard, beside the dense product.
TEST(BatchBuilder, AggregatesAsTheWholeGraphDoes) {
  const Case c{"directed", {.vertices = 61, .symmetric = false, .seed = 3}};
  const auto store = test::random_store(c.graph);
  const WholeMatrix matrix(store, c);
  const test::Dense x = test::random_dense(61, 5, 11);
  test::for_each_world({1, 2, 4, 6}, [&](comm::Communicator& world) {
    for (const layout::Grid& shape : layout::tensor_grids(world.size())) {
      const testing::ScopedTrace trace(__FILE__, __LINE__, layout::to_string(shape));
      device::Context context(threads(1));
      parallel::ProcessGrid grid(world, shape);
      const auto full = load_shard(context, grid, store, {.need_backward = false});
      test::FakeSampler sampler(61, shape, test::all_blocks(shape), c.sampler);
      BatchBuilder builder(context, full, store, sampler, {});
      Batch batch;
      builder.build(1, 2, batch);
      const Reference want(matrix, 61, c.estimator, sampler, 1, 2);
      parallel::Aggregator aggregator(context, grid, batch.shard, {});
      tensor::Matrix<float> in(context, batch.shard.block_rows, 5), out(context, batch.shard.block_rows, 5);
      tensor::Matrix<float> own(context, full.block_rows, 5);
      for (Index i = 0; i < full.own.size(); ++i) {
        for (Index j = 0; j < 5; ++j) own(i, j) = static_cast<float>(x(full.own.begin + i, j));
      }
      gather_rows(context, own.view(), batch.local_row, in.view());
      for (Index layer = 0; layer < 4; ++layer) {
        for (const bool backward : {false, true}) {
          backward ? aggregator.backward(layer, in.view(), out.view())
                   : aggregator.forward(layer, in.view(), out.view());
          for (Index i = 0; i < out.rows(); ++i) {
            for (Index j = 0; j < 5; ++j) {
              double sum = 0;
              for (Index u = 0; i < batch.rows() && u < 61; ++u) {
                const Index v = batch.positions[static_cast<std::size_t>(i)];
                sum += static_cast<double>(backward ? want(u, v) : want(v, u)) * x(u, j);
              }
              EXPECT_NEAR(out(i, j), sum, 2e-6);
            }
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace opx::sampling
