// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The cutter itself: memory that is too small, rows that a block of threads cuts, its limits.
#include "base/error.hpp"
#include "gpu/sampling/support.hpp"
#include "parallel/shard_loader.hpp"
#include "sampling/gpu/scan.hpp"
#include "sampling/gpu/tile_cutter.hpp"
#include "support/fake_sampler.hpp"
#include "support/gpu.hpp"

namespace opx::sampling {
namespace {

class GpuCutter : public test::GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped()) return;
    store_ = std::make_unique<test::MemoryStore>(
        test::random_store({.vertices = 90, .degree = 8, .symmetric = false, .seed = 4}));
    full_ = test::factored_shard(cpu_, *store_);
    there_ = parallel::to_device(context(), full_);
    sampler_ = std::make_unique<test::FakeSampler>(90, full_.grid, std::vector<int>{0}, test::FakeOptions{});
  }
  [[nodiscard]] gpu::CutterOptions options(Index long_row) const {
    return {.columns = 90, .most_block_rows = 90, .long_row = long_row};
  }
  /// Sub-batch `index` there and on the CPU.
  void check(gpu::TileCutter& cutter, Index index, spmm::Csr& to, spmm::Csr& back) {
    Selection selection;
    sampler_->draw(0, index, selection);
    cutter.begin(selection);
    const int cut =
        cutter.cut({.tile = *there_.tile[0], .row_blocks = kBlock, .col_blocks = kBlock, .own_block = 0}, to);
    cutter.cut(
        {.tile = *there_.transposed[0], .row_blocks = kBlock, .col_blocks = kBlock, .transposed = true},
        back);
    const std::vector<std::int32_t> drawn = selection.position;
    selection = {};  // it has been uploaded
    cutter.finish();
    sampler_->draw(0, index, selection);
    TileCutter on_cpu(cpu_, full_, 90);
    spmm::Csr want;
    std::vector<float> diagonal(drawn.size());
    const CutCounts counts =
        on_cpu.cut(*full_.tile[0], kBlock, kBlock, selection, {.own_block = 0, .diagonal = diagonal}, want);
    test::expect_same_csr(context(), to.view(), want.view());
    test::expect_same_csr(context(), back.view(), spmm::transpose(cpu_, want.view()).view());
    EXPECT_TRUE(test::same_bits(cutter.diagonal(), diagonal));
    EXPECT_EQ(cutter.counts(cut).nnz, counts.nnz);
    EXPECT_EQ(cutter.counts(cut).off_diagonal, counts.off_diagonal);
    EXPECT_EQ(cutter.counts(cut).rows_without_neighbours, counts.rows_without_neighbours);
  }

  static constexpr std::array<int, 1> kBlock{0};
  device::Context cpu_{{.threads = 1}};
  std::unique_ptr<test::MemoryStore> store_;
  layout::GraphShard full_, there_;
  std::unique_ptr<test::FakeSampler> sampler_;
};

TEST_F(GpuCutter, TilesThatDoNotFitAreMadeAgain) {
  gpu::TileCutter cutter(context(), there_, options(2048));
  spmm::Csr to, back;
  to.col_ids = device::Buffer<std::int32_t>(context(), 7);
  to.values = device::Buffer<float>(context(), 9);
  back.col_ids = device::Buffer<std::int32_t>(context(), 1000);
  back.values = device::Buffer<float>(context(), 1000);
  check(cutter, 0, to, back);
  EXPECT_EQ(cutter.made_again(), 1);
  check(cutter, 0, to, back);
  EXPECT_EQ(cutter.made_again(), 1) << "now it fits";
}

// The offsets of a tile that did not fit stay within its memory until finish().
TEST_F(GpuCutter, NoOffsetPointsBehindTheMemory) {
  gpu::TileCutter cutter(context(), there_, options(2048));
  spmm::Csr to;
  to.col_ids = device::Buffer<std::int32_t>(context(), 7);
  to.values = device::Buffer<float>(context(), 7);
  Selection selection;
  sampler_->draw(0, 0, selection);
  cutter.begin(selection);
  cutter.cut({.tile = *there_.tile[0], .row_blocks = kBlock, .col_blocks = kBlock}, to);
  EXPECT_EQ(to.nnz(), 7);
  gpu().synchronise();
  const std::vector<Index> offsets = device::host_copy(context(), std::as_const(to.row_offsets).span());
  EXPECT_EQ(offsets.back(), 7);
  EXPECT_TRUE(std::ranges::is_sorted(offsets));
  cutter.finish();
  EXPECT_GT(to.nnz(), 7);
}

TEST_F(GpuCutter, LongRowsAreCutByBlocks) {
  for (const Index long_row : {1, 12, 25}) {
    gpu::TileCutter cutter(context(), there_, options(long_row));
    spmm::Csr to, back;
    for (const Index index : {0, 3}) check(cutter, index, to, back);
  }
}

TEST_F(GpuCutter, RefusesWhatItHasNoRoomFor) {
  gpu::TileCutter narrow(context(), there_, {.columns = 89, .most_block_rows = 90}),
      flat(context(), there_, {.columns = 90, .most_block_rows = 3});
  spmm::Csr to;
  Selection selection;
  sampler_->draw(0, 0, selection);
  for (gpu::TileCutter* cutter : {&narrow, &flat}) {
    cutter->begin(selection);
    EXPECT_THROW(cutter->cut({.tile = *there_.tile[0], .row_blocks = kBlock, .col_blocks = kBlock}, to),
                 base::InvalidArgument);
  }
  EXPECT_THROW(gpu::TileCutter(context(), there_, options(0)), base::InvalidArgument);
}

TEST_F(GpuCutter, SumsOfAllBefore) {
  for (const Index n : {1, 2, 1000, 70001}) {
    std::vector<Index> values, want;
    for (Index i = 0, sum = 0; i < n; ++i) {
      values.push_back(i % 7 == 0 ? Index{1} << 33 : i % 5);
      want.push_back(sum += values.back());
    }
    auto there = device::device_copy(context(), std::span<const Index>(values));
    device::Buffer<std::byte> scratch(context(), static_cast<Index>(gpu::scan_bytes(GpuTest::gpu(), n)));
    gpu::inclusive_sum(GpuTest::gpu(), GpuTest::gpu().compute(), there.data(), n, scratch.data(),
                       scratch.bytes());
    EXPECT_EQ(device::host_copy(context(), std::as_const(there).span()), want);
  }
}

}  // namespace
}  // namespace opx::sampling
