// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// All tiles of sub-batches cut on a GPU, with their transposes: those of the CPU to the bit, for every
// sampler, estimator and grid, without allocation.
#include "comm/communicator.hpp"
#include "comm/threads/job.hpp"
#include "gpu/sampling/support.hpp"
#include "parallel/shard_loader.hpp"
#include "sampling/gpu/tile_cutter.hpp"
#include "spmm/multiply.hpp"
#include "support/fake_sampler.hpp"
#include "support/gpu.hpp"
#include "unit/sampling/support.hpp"

namespace opx::sampling {
namespace {

constexpr std::array kEstimators{Estimator::kUnbiased, Estimator::kSelfNormalised};

/// The tiles of the three rotations of a rank.
struct Tiles {
  std::array<spmm::Csr, 3> forward, backward;
};

struct Slabs {
  std::vector<int> rows, cols;
};
Slabs slabs_of(const layout::GraphShard& full, std::size_t rotation) {
  const layout::Roles roles = layout::roles_of(static_cast<Index>(rotation));
  return {layout::row_blocks(full.grid, roles, full.coord[roles.r]),
          layout::column_blocks(full.grid, roles, full.coord[roles.k])};
}

int own_block(const layout::GraphShard& full) {
  return full.grid.rank_of({full.coord.x, full.coord.y, full.coord.z, 0});
}

Index most_columns(const layout::GraphShard& full) {
  Index most = 0;
  for (std::size_t i = 0; i < 3; ++i)
    most = std::max({most, full.tile[i]->view().cols, full.transposed[i]->view().cols});
  return most;
}

/// One rank has one tile for all rotations.
std::size_t rotations_of(const layout::GraphShard& full) { return full.grid.tensor_ranks() == 1 ? 1 : 3; }

/// Puts two cuts a rotation on the stream: `there` is the resident shard in memory of the GPU.
void put_cuts(gpu::TileCutter& cutter, const layout::GraphShard& there, Estimator estimator, Tiles& to) {
  for (std::size_t i = 0; i < rotations_of(there); ++i) {
    const Slabs s = slabs_of(there, i);
    cutter.cut({.tile = *there.tile[i],
                .row_blocks = s.rows,
                .col_blocks = s.cols,
                .estimator = estimator,
                .own_block = i == 0 ? own_block(there) : -1},
               to.forward[i]);
    cutter.cut({.tile = *there.transposed[i],
                .row_blocks = s.cols,
                .col_blocks = s.rows,
                .estimator = estimator,
                .transposed = true},
               to.backward[i]);
  }
}

/// So that what is cut into it first is made again.
void have_little(device::Context& gpu, Tiles& tiles) {
  for (auto* three : {&tiles.forward, &tiles.backward})
    for (spmm::Csr& tile : *three) {
      tile.col_ids = device::Buffer<std::int32_t>(gpu, 1);
      tile.values = device::Buffer<float>(gpu, 1);
    }
}

/// Sub-batches one after the other into the same memory and with the same map.
void check(device::Context& own, const layout::GraphShard& full, Sampler& sampler, Estimator estimator,
           Index batches) {
  device::Context cpu({.threads = 1});
  const layout::GraphShard there = parallel::to_device(own, full);
  TileCutter on_cpu(cpu, full, most_columns(full));
  gpu::TileCutter on_gpu(own, there,
                         {.columns = most_columns(full), .most_block_rows = sampler.most_block_rows()});
  Tiles got;
  have_little(own, got);
  Selection selection;
  for (Index batch = 0; batch < batches; ++batch) {
    sampler.draw(batch / sampler.batches(), batch % sampler.batches(), selection);
    on_gpu.begin(selection);
    put_cuts(on_gpu, there, estimator, got);
    on_gpu.finish();
    std::vector<float> diagonal(selection.block(own_block(full)).size());
    for (std::size_t i = 0; i < rotations_of(full); ++i) {
      const Slabs s = slabs_of(full, i);
      CutOptions options{.estimator = estimator};
      if (i == 0) options.own_block = own_block(full), options.diagonal = diagonal;
      spmm::Csr want;
      const CutCounts counts = on_cpu.cut(*full.tile[i], s.rows, s.cols, selection, options, want);
      test::expect_same_csr(own, got.forward[i].view(), want.view());
      test::expect_same_csr(own, got.backward[i].view(), spmm::transpose(cpu, want.view()).view());
      const CutCounts& found = on_gpu.counts(static_cast<int>(2 * i));
      EXPECT_EQ(found.nnz, counts.nnz);
      EXPECT_EQ(found.off_diagonal, counts.off_diagonal);
      EXPECT_EQ(found.rows_without_neighbours, counts.rows_without_neighbours);
    }
    EXPECT_TRUE(test::same_bits(on_gpu.diagonal(), diagonal));
  }
}

class GpuBatches : public test::GpuTest {};

TEST_F(GpuBatches, EverySamplerAndEstimator) {
  const test::MemoryStore store = test::hub_store(160, 4);
  device::Context cpu({.threads = 1});
  const layout::GraphShard full = test::factored_shard(cpu, store);
  for (const Kind kind :
       {Kind::kStratified, Kind::kUniform, Kind::kDegree, Kind::kTrain, Kind::kCluster, Kind::kSaintWalk}) {
    const auto sampler = test::whole(store, {.kind = kind, .ratio = 0.2, .seed = 3});
    for (const Estimator estimator : kEstimators) {
      SCOPED_TRACE(std::string(name(kind)) + " " + std::string(name(estimator)));
      check(context(), full, *sampler, estimator, 2);
    }
  }
}

TEST_F(GpuBatches, DirectedAndWeightedGraphsAndExtremeSelections) {
  device::Context cpu({.threads = 1});
  std::uint64_t seed = 1;
  for (const bool symmetric : {true, false}) {
    for (const bool weighted : {true, false}) {
      const auto store =
          test::random_store({.vertices = 61, .symmetric = symmetric, .weighted = weighted, .seed = seed++});
      const layout::GraphShard full = test::factored_shard(cpu, store);
      for (const double ratio : {0.0, 0.4, 1.1}) {
        test::FakeSampler sampler(61, full.grid, {0}, {.ratio = ratio});
        check(context(), full, sampler, Estimator::kUnbiased, 2);
      }
    }
  }
}

// Rectangular tiles, slabs of several blocks in an order of their own, an empty block, ranks that share the
// GPU.
TEST_F(GpuBatches, GridsOfRanks) {
  for (const bool symmetric : {true, false}) {
    const auto store = test::random_store({.vertices = 47, .symmetric = symmetric, .seed = 7});
    for (const layout::Grid& shape : {layout::Grid{.gx = 3}, layout::Grid{.gx = 1, .gy = 2, .gz = 2},
                                      layout::Grid{.gx = 2, .gy = 1, .gz = 3}}) {
      comm::run_threads(shape.ranks(), {}, [&](comm::Communicator& world) {
        device::Context cpu({.threads = 1}), own({.threads = 1, .gpu = 0});
        parallel::ProcessGrid grid(world, shape);
        const layout::GraphShard full = load_shard(cpu, grid, store, {});
        test::FakeSampler sampler(47, shape, blocks_of_rank(shape, full.coord, 3), {.empty_block = 1});
        for (const Estimator estimator : kEstimators) check(own, full, sampler, estimator, 2);
      });
    }
  }
}

TEST_F(GpuBatches, NothingIsAllocatedOrSynchronised) {
  device::Context cpu({.threads = 1});
  const auto store = test::random_store({.vertices = 150, .degree = 6, .symmetric = false, .seed = 5});
  const layout::GraphShard full = test::factored_shard(cpu, store),
                           there = parallel::to_device(context(), full);
  test::FakeSampler sampler(150, full.grid, {0}, {});
  gpu::TileCutter cutter(context(), there, {.columns = 150, .most_block_rows = 150});
  std::array<Tiles, 2> slots;
  Selection selection;
  const auto cut_all = [&](bool first) {
    for (Index i = 0; i < sampler.batches(); ++i) {
      for (Tiles& slot : slots) {
        sampler.draw(0, i, selection);
        gpu().reset_counters();
        cutter.begin(selection);
        put_cuts(cutter, there, Estimator::kUnbiased, slot);
        cutter.finish();
        EXPECT_EQ(gpu().counters().synchronisations, 0);
        EXPECT_LE(gpu().counters().host_waits, first ? 2 : 1);
      }
    }
  };
  cut_all(true);
  const Index made_again = cutter.made_again();
  context().memory().reset_peak();
  const std::size_t held = context().memory().now();
  cut_all(false);
  EXPECT_EQ(context().memory().peak(), held);
  EXPECT_EQ(cutter.made_again(), made_again);
}

// What still reads a tile when the next one is cut into its memory has the tile as it was.
TEST_F(GpuBatches, ReadersOnTheComputeStreamComeFirst) {
  device::Context cpu({.threads = 1});
  const auto store = test::random_store({.vertices = 80, .degree = 5, .symmetric = false, .seed = 8});
  const layout::GraphShard full = test::factored_shard(cpu, store),
                           there = parallel::to_device(context(), full);
  test::FakeSampler sampler(80, full.grid, {0}, {});
  gpu::TileCutter cutter(context(), there, {.columns = 80, .most_block_rows = 80});
  TileCutter on_cpu(cpu, full, 80);
  const std::array<int, 1> block{0};
  const std::vector<float> ones(80, 1.0F);
  const auto x = device::device_copy(context(), std::span<const float>(ones));
  device::gpu::Event released;
  Selection selection;
  spmm::Csr got, want;
  std::vector<device::Buffer<float>> sums;
  for (Index i = 0; i < 4; ++i) {
    sampler.draw(0, i, selection);
    cutter.begin(selection, &released);
    cutter.cut({.tile = *there.tile[0], .row_blocks = block, .col_blocks = block}, got);
    cutter.finish();
    sums.emplace_back(context(), 80);
    test::keep_busy(context());
    multiply(context(), got.view(), tensor::MatrixView<const float>(x.data(), got.cols, 1),
             tensor::MatrixView<float>(sums.back().data(), got.rows, 1));
    gpu().record(released, gpu().compute());
  }
  for (Index i = 0; i < 4; ++i) {
    sampler.draw(0, i, selection);
    on_cpu.cut(*full.tile[0], block, block, selection, {}, want);
    const auto& of_batch = sums[static_cast<std::size_t>(i)];
    const std::vector<float> rows = device::host_copy(context(), of_batch.span());
    for (Index r = 0; r < want.rows; ++r) {
      float sum = 0;
      for (Index e = want.row_offsets[r]; e < want.row_offsets[r + 1]; ++e) sum += want.values[e];
      ASSERT_NEAR(rows[static_cast<std::size_t>(r)], sum, 1e-4 * (1 + std::abs(sum)))
          << "sub-batch " << i << ", row " << r;
    }
  }
}

}  // namespace
}  // namespace opx::sampling
