// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Aggregation over NCCL in panels that overlap: the bits of one panel, the same traffic, and no wait of the
// host.
#include <cstring>
#include <string>
#include <vector>

#include "device/gpu/graph_memory.hpp"
#include "device/transfer.hpp"
#include "parallel/aggregate.hpp"
#include "parallel/shard_loader.hpp"
#include "support/blocks.hpp"
#include "support/gpu.hpp"
#include "support/memory_store.hpp"
#include "support/nccl_ranks.hpp"

namespace opx::parallel {
namespace {

using tensor::Matrix;
using test::Dense;
using test::NcclRank;

constexpr Index kVertices = 37, kWidth = 11;

test::MemoryStore graph() {
  return test::random_store({.vertices = kVertices, .degree = 5, .symmetric = false, .seed = 5});
}

/// One rank's part of the graph, on its GPU.
struct Case {
  Case(NcclRank& rank, const test::MemoryStore& store, const layout::Grid& shape)
      : context(rank.context),
        grid(*rank.nccl, shape),
        on_host(load_shard(context.host(), grid, store, {})),
        shard(to_device(context, on_host)) {}

  /// y of one aggregation, and what it cost.
  struct Outcome {
    std::vector<float> y;
    std::int64_t bytes, synchronisations, waits;
  };
  Outcome run(Aggregator& aggregator, Index layer, bool backward, const Dense& x) {
    const Matrix<float> own = test::own_rows(context.host(), on_host, x);
    Matrix<float> in(context, own.rows(), own.cols()), y(context, own.rows(), own.cols());
    device::copy_to_device(context, own.span(), in.span());
    const std::int64_t before = grid.world().traffic().total_bytes();
    const device::gpu::Counters counted = context.gpu().counters();
    backward ? aggregator.backward(layer, std::as_const(in).view(), y.view())
             : aggregator.forward(layer, std::as_const(in).view(), y.view());
    const device::gpu::Counters now = context.gpu().counters();
    return {device::host_copy(context, std::as_const(y).span()),
            grid.world().traffic().total_bytes() - before, now.synchronisations - counted.synchronisations,
            now.waits - counted.waits};
  }

  device::Context& context;
  ProcessGrid grid;
  layout::GraphShard on_host, shard;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

using GpuPanels = test::GpuTest;

TEST_F(GpuPanels, GiveTheBitsOfOnePanelAndTheHostWaitsForNothing) {
  const test::MemoryStore store = graph();
  const Dense x = test::random_dense(kVertices, kWidth, 9);
  test::with_nccl_ranks({2, 4, 8}, [&](NcclRank& rank) {
    for (const layout::Grid& shape : layout::tensor_grids(rank.nccl->size())) {
      Case one(rank, store, shape);
      for (const Wire wire : {Wire::kFloat32, Wire::kBfloat16}) {
        Aggregator whole(one.context, one.grid, one.shard, {.wire = wire, .panels = 1});
        for (Index layer = 0; layer < 3; ++layer) {
          const bool backward = layer == 1;
          const Case::Outcome want = one.run(whole, layer, backward, x);
          for (const int panels : {2, 4}) {
            Aggregator cut(one.context, one.grid, one.shard, {.wire = wire, .panels = panels});
            const Case::Outcome got = one.run(cut, layer, backward, x);
            const std::string what = layout::to_string(shape) + " panels " + std::to_string(panels);
            EXPECT_TRUE(same_bits(got.y, want.y)) << what;
            EXPECT_EQ(got.bytes, want.bytes) << what;
            EXPECT_EQ(got.synchronisations, 0) << what;
            EXPECT_GT(got.waits, want.waits) << what << ": events order the streams";
          }
        }
      }
    }
  });
}

TEST_F(GpuPanels, EqualTheDenseProduct) {
  const test::MemoryStore store = graph();
  const Dense x = test::random_dense(kVertices, kWidth, 9),
              a = store.normalised(test::Factors::kSymmetric, true), want[2] = {a * x, a.transposed() * x};
  test::with_nccl_ranks({4}, [&](NcclRank& rank) {
    for (const layout::Grid& shape : layout::tensor_grids(rank.nccl->size())) {
      Case one(rank, store, shape);
      Aggregator aggregator(one.context, one.grid, one.shard, {.panels = 3});
      for (Index layer = 0; layer < 3; ++layer) {
        for (const bool backward : {false, true}) {
          const std::vector<float> y = one.run(aggregator, layer, backward, x).y;
          Matrix<float> own(one.context.host(), one.shard.block_rows, kWidth);
          std::copy(y.begin(), y.end(), own.span().begin());
          test::expect_own_rows(one.on_host, own, want[backward ? 1 : 0], 2e-5, layout::to_string(shape));
        }
      }
    }
  });
}

TEST_F(GpuPanels, AreCapturedInAGraph) {
  const test::MemoryStore store = graph();
  test::with_nccl_ranks({4}, [&](NcclRank& rank) {
    device::gpu::Device& gpu = rank.context.gpu();
    for (const layout::Grid& shape : {layout::Grid{.gx = 2, .gy = 2}, layout::Grid{.gx = 4}}) {
      Case one(rank, store, shape);
      Aggregator aggregator(one.context, one.grid, one.shard, {.panels = 2});
      const Dense first = test::random_dense(kVertices, kWidth, 9);
      Matrix<float> own = test::own_rows(one.context.host(), one.on_host, first);
      Matrix<float> x(one.context, own.rows(), own.cols()), y(one.context, own.rows(), own.cols());
      device::copy_to_device(one.context, std::as_const(own).span(), x.span());
      device::gpu::GraphMemory memory(gpu);
      device::gpu::GraphExec graph;
      const auto work = [&] { aggregator.forward(0, std::as_const(x).view(), y.view()); };
      {
        const device::gpu::GraphMemory::Use use(memory);
        for (int k = 0; k < 2; ++k) {
          memory.restart();
          work();
        }
        gpu.begin_capture(gpu.compute(), memory);
        work();
        graph = gpu.end_capture();
      }
      for (const std::uint64_t seed : {11, 12}) {
        const Dense next = test::random_dense(kVertices, kWidth, seed);
        const std::vector<float> want = one.run(aggregator, 0, false, next).y;
        own = test::own_rows(one.context.host(), one.on_host, next);
        device::copy_to_device(one.context, std::as_const(own).span(), x.span());
        gpu.reset_counters();
        gpu.launch(graph, gpu.compute());
        EXPECT_EQ(gpu.counters().launches, 1);
        EXPECT_TRUE(same_bits(device::host_copy(one.context, std::as_const(y).span()), want))
            << layout::to_string(shape);
      }
      gpu.synchronise();
    }
  });
}

}  // namespace
}  // namespace opx::parallel
