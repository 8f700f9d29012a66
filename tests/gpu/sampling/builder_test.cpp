// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole sub-batches built on a GPU: those of the CPU, with rows of the loss first or not, dropped rows or
// not, for every sampler, estimator and grid, into the same memory again and again.
#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "comm/communicator.hpp"
#include "comm/threads/job.hpp"
#include "gpu/sampling/support.hpp"
#include "parallel/shard_loader.hpp"
#include "spmm/multiply.hpp"
#include "support/fake_sampler.hpp"
#include "support/gpu.hpp"
#include "unit/sampling/support.hpp"

namespace opx::sampling {
namespace {

constexpr std::array kEstimators{Estimator::kUnbiased, Estimator::kSelfNormalised};
constexpr std::array kKinds{Kind::kStratified, Kind::kUniform, Kind::kDegree,
                            Kind::kTrain,      Kind::kCluster, Kind::kSaintWalk};

using Entry = std::pair<std::int32_t, float>;

/// Each row's entries by column.
std::vector<Entry> sorted_entries(device::Context& gpu, const spmm::CsrView& a) {
  const auto offsets = device::host_copy(gpu, a.row_offsets);
  const auto columns = device::host_copy(gpu, a.col_ids);
  const auto values = device::host_copy(gpu, a.values);
  std::vector<Entry> entries;
  for (std::size_t e = 0; e < columns.size(); ++e) entries.emplace_back(columns[e], values[e]);
  for (std::size_t r = 0; r + 1 < offsets.size(); ++r)
    std::sort(entries.begin() + offsets[r], entries.begin() + offsets[r + 1]);
  return entries;
}

void expect_same_tile(device::Context& gpu, const layout::Tile* there, const layout::Tile* want,
                      bool in_order) {
  ASSERT_EQ(there == nullptr, want == nullptr);
  if (want == nullptr) return;
  if (in_order) return test::expect_same_csr(gpu, there->view(), want->view());
  device::Context cpu({.threads = 1});
  EXPECT_TRUE(
      std::ranges::equal(device::host_copy(gpu, there->view().row_offsets), want->view().row_offsets));
  EXPECT_EQ(sorted_entries(gpu, there->view()), sorted_entries(cpu, want->view()));
}

/// Transposes of tiles of all rows have another order where rows of the loss come first.
void expect_same_batch(device::Context& gpu, const Batch& got, const Batch& want) {
  EXPECT_EQ(got.positions, want.positions);
  EXPECT_EQ(got.local_row, want.local_row);
  EXPECT_EQ(got.weight, want.weight);
  EXPECT_TRUE(test::same_bits(got.diagonal, want.diagonal));
  EXPECT_EQ(got.drawn, want.drawn);
  EXPECT_EQ(got.loss_rows, want.loss_rows);
  EXPECT_EQ(got.nnz, want.nnz);
  EXPECT_EQ(got.sampled_degree, want.sampled_degree);
  EXPECT_EQ(got.rows_without_neighbours, want.rows_without_neighbours);
  const layout::GraphShard &a = got.shard, &b = want.shard;
  EXPECT_EQ(a.vertices, b.vertices);
  EXPECT_EQ(a.block_rows, b.block_rows);
  EXPECT_EQ(a.own, b.own);
  EXPECT_EQ(a.symmetric, b.symmetric);
  const bool rising = b.loss_rows.layer < 0;
  for (std::size_t i = 0; i < 3; ++i) {
    expect_same_tile(gpu, a.tile[i].get(), b.tile[i].get(), true);
    expect_same_tile(gpu, a.transposed[i].get(), b.transposed[i].get(), rising);
  }
  EXPECT_EQ(a.loss_rows.layer, b.loss_rows.layer);
  EXPECT_EQ(a.loss_rows.rows, b.loss_rows.rows);
  expect_same_tile(gpu, a.loss_rows.tile.get(), b.loss_rows.tile.get(), true);
  expect_same_tile(gpu, a.loss_rows.transposed.get(), b.loss_rows.transposed.get(), true);
}

/// Models whose batches differ in what is cut: several layers with all rows, with rows of the loss, with a
/// tile of these alone, and with rows that nobody reads dropped.
std::vector<BatchOptions> all_options() {
  return {{.layers = 3},
          {.layers = 2, .need_backward = false},
          {.layers = 3, .first_layer = 1, .loss_rows = true},
          {.layers = 4, .first_backward_layer = 1, .loss_rows = true},
          {.layers = 2, .first_layer = 1, .loss_rows = true},
          {.layers = 2, .first_layer = 1, .loss_rows = true, .drop_unread = true},
          {.layers = 2, .first_layer = 1, .need_backward = false, .loss_rows = true, .drop_unread = true}};
}

void check(device::Context& own, const layout::GraphShard& full, const graph::Store& store, Sampler& sampler,
           BatchOptions options, Index batches) {
  device::Context cpu({.threads = 1});
  const layout::GraphShard there = parallel::to_device(own, full);
  for (const Estimator estimator : kEstimators) {
    options.estimator = estimator;
    BatchBuilder on_cpu(cpu, full, store, sampler, options), on_gpu(own, there, store, sampler, options);
    Batch got, want;
    for (Index batch = 0; batch < batches; ++batch) {
      on_cpu.build(batch / sampler.batches(), batch % sampler.batches(), want);
      on_gpu.build(batch / sampler.batches(), batch % sampler.batches(), got);
      expect_same_batch(own, got, want);
      release(own, got);
    }
  }
}

/// Directed, so that every tile has a transpose of its own; with splits and parts for all samplers.
test::MemoryStore directed_store(Index vertices, Index virtual_blocks) {
  auto store = test::random_store({.vertices = vertices, .degree = 6, .symmetric = false, .seed = 9});
  const auto n = static_cast<std::size_t>(vertices);
  std::vector<graph::Split> splits(n, graph::Split::kNone);
  std::vector<std::int32_t> parts(n);
  for (std::size_t v = 0; v < n; ++v) {
    if (v * 7 % 5 < 2) splits[v] = graph::Split::kTrain;
    parts[v] = static_cast<std::int32_t>(v * 11 % 20);
  }
  store.set_splits(splits);
  store.set_parts(parts, 20);
  store.set_virtual_blocks(virtual_blocks);
  return store;
}

class GpuBuilder : public test::GpuTest {};

TEST_F(GpuBuilder, EverySamplerEstimatorAndKindOfBatch) {
  for (const bool symmetric : {true, false}) {
    const test::MemoryStore store = symmetric ? test::hub_store(160, 4) : directed_store(120, 4);
    device::Context cpu({.threads = 1});
    const layout::GraphShard full = test::factored_shard(cpu, store);
    for (const Kind kind : kKinds) {
      const auto sampler = test::whole(store, {.kind = kind, .ratio = 0.25, .seed = 3});
      Index number = 0;
      for (const BatchOptions& options : all_options()) {
        SCOPED_TRACE(std::string(name(kind)) + (symmetric ? ", undirected, " : ", directed, ") +
                     std::to_string(number++));
        check(context(), full, store, *sampler, options, 2);
      }
    }
  }
}

TEST_F(GpuBuilder, GridsOfRanks) {
  for (const bool symmetric : {true, false}) {
    const test::MemoryStore store = symmetric ? test::hub_store(180, 4) : directed_store(140, 4);
    for (const layout::Grid& shape :
         {layout::Grid{.gx = 2}, layout::Grid{.gx = 2, .gy = 2}, layout::Grid{.gx = 1, .gy = 2, .gz = 2}}) {
      comm::run_threads(shape.ranks(), {}, [&](comm::Communicator& world) {
        device::Context cpu({.threads = 1}), own({.threads = 1, .gpu = 0});
        parallel::ProcessGrid grid(world, shape);
        const layout::GraphShard full = load_shard(cpu, grid, store, {});
        const std::vector<int> blocks = blocks_of_rank(shape, full.coord, 3);
        for (const Kind kind : {Kind::kStratified, Kind::kTrain}) {
          const auto sampler = make_sampler(store, shape, blocks, {.kind = kind, .ratio = 0.25, .seed = 3});
          for (const BatchOptions& options : all_options())
            if (options.need_backward) check(own, full, store, *sampler, options, 2);
        }
      });
    }
  }
}

// No training vertex in a block, none at all, nothing drawn, everything drawn.
TEST_F(GpuBuilder, ExtremeSelectionsAndSplits) {
  device::Context cpu({.threads = 1});
  auto store = directed_store(61, 1);
  for (const Index training : {0, 1, 61}) {
    std::vector<graph::Split> splits(61, graph::Split::kNone);
    std::fill_n(splits.begin(), training, graph::Split::kTrain);
    store.set_splits(splits);
    const layout::GraphShard full = test::factored_shard(cpu, store);
    for (const double ratio : {0.0, 0.4, 1.1}) {
      test::FakeSampler sampler(61, full.grid, {0}, {.ratio = ratio});
      for (const BatchOptions& options : all_options()) check(context(), full, store, sampler, options, 2);
    }
  }
}

TEST_F(GpuBuilder, ReadersComeFirstAndNothingIsAllocated) {
  device::Context cpu({.threads = 1});
  const auto store = directed_store(150, 1);
  const layout::GraphShard full = test::factored_shard(cpu, store),
                           there = parallel::to_device(context(), full);
  test::FakeSampler sampler(150, full.grid, {0}, {});
  const BatchOptions options{.layers = 2, .first_layer = 1, .loss_rows = true, .drop_unread = true};
  BatchBuilder on_gpu(context(), there, store, sampler, options), on_cpu(cpu, full, store, sampler, options);
  const std::vector<float> ones(150, 1.0F);
  const auto x = device::device_copy(context(), std::span<const float>(ones));
  std::vector<device::Buffer<float>> sums;
  for (int i = 0; i < 15; ++i) sums.emplace_back(context(), 150);
  Batch got, want;
  for (Index i = 0; i < 15; ++i) {
    if (i == 10) gpu().reset_counters();
    context().memory().reset_peak();
    const std::size_t held = context().memory().now();
    on_gpu.build(0, i % 5, got);
    if (i >= 10) {
      EXPECT_EQ(context().memory().peak(), held);
    }
    const spmm::CsrView tile = got.shard.loss_rows.tile->view();
    test::keep_busy(context());
    multiply(context(), tile, tensor::MatrixView<const float>(x.data(), tile.cols, 1),
             tensor::MatrixView<float>(sums[static_cast<std::size_t>(i)].data(), tile.rows, 1));
    release(context(), got);
  }
  EXPECT_EQ(gpu().counters().synchronisations, 0);
  for (Index i = 0; i < 15; ++i) {
    on_cpu.build(0, i % 5, want);
    const spmm::CsrView tile = want.shard.loss_rows.tile->view();
    const auto rows = device::host_copy(context(), std::as_const(sums[static_cast<std::size_t>(i)]).span());
    for (std::size_t r = 0; r < static_cast<std::size_t>(tile.rows); ++r) {
      double sum = 0;
      for (Index e = tile.row_offsets[r]; e < tile.row_offsets[r + 1]; ++e)
        sum += tile.values[static_cast<std::size_t>(e)];
      ASSERT_NEAR(rows[r], sum, 1e-4 * (1 + std::abs(sum))) << "sub-batch " << i << ", row " << r;
    }
  }
}

TEST_F(GpuBuilder, NeedsTransposesOrSymmetry) {
  device::Context cpu({.threads = 1});
  for (const bool symmetric : {true, false}) {
    const auto store = symmetric ? test::hub_store(120, 1) : directed_store(120, 1);
    layout::GraphShard there = parallel::to_device(context(), test::factored_shard(cpu, store));
    there.transposed = {};
    test::FakeSampler sampler(120, there.grid, {0}, {});
    const auto build = [&](const BatchOptions& options) {
      Batch batch;
      BatchBuilder(context(), there, store, sampler, options).build(0, 0, batch);
    };
    const BatchOptions loss{.layers = 2, .first_layer = 1, .loss_rows = true};
    EXPECT_NO_THROW(build({.need_backward = false}));
    if (symmetric) {
      EXPECT_NO_THROW(build({}));
      EXPECT_NO_THROW(build(loss));
    } else {
      EXPECT_THROW(build({}), base::InvalidArgument);
      EXPECT_THROW(build(loss), base::InvalidArgument);
    }
  }
}

}  // namespace
}  // namespace opx::sampling
