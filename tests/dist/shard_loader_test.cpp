// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What a rank loads: shared tiles, balance of the entries, its own vertices, agreed errors; and the small
// reductions.
#include "parallel/shard_loader.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "parallel/gradient_bucket.hpp"
#include "parallel/reduce.hpp"
#include "support/blocks.hpp"
#include "support/memory_store.hpp"
#include "support/ranks.hpp"

namespace opx::parallel {
namespace {

device::ContextOptions one_thread() { return {.threads = 1, .logger = {}}; }

TEST(LoadShard, OneRankKeepsOneTileOfASymmetricGraph) {
  const auto store = test::random_store({.vertices = 61, .seed = 1});
  test::for_each_world({1}, [&](comm::Communicator& world) {
    if (world.size() != 1) return;
    device::Context context(one_thread());
    ProcessGrid grid(world, {});
    const auto symmetric = load_shard(context, grid, store, {});
    EXPECT_TRUE(symmetric.symmetric);
    for (Index l = 0; l < 3; ++l) {
      EXPECT_EQ(&symmetric.forward(l), &symmetric.forward(0));
      EXPECT_EQ(&symmetric.backward(l), &symmetric.forward(0));
    }
    EXPECT_TRUE(symmetric.forward(0).csr->values.empty());
    // Row factors differ from their transpose's, the pattern does not.
    const auto row = load_shard(context, grid, store, {.normalisation = Normalisation::kRow});
    EXPECT_FALSE(row.symmetric);
    EXPECT_NE(&row.backward(0), &row.forward(0));
    EXPECT_EQ(row.backward(0).csr, row.forward(0).csr);
    EXPECT_TRUE(row.forward(0).col_scale.empty());
    EXPECT_TRUE(row.backward(0).row_scale.empty());
    const auto forward_only = load_shard(context, grid, store, {.need_backward = false});
    EXPECT_EQ(forward_only.transposed[0], nullptr);
  });
}

TEST(LoadShard, OneDimensionalGridsShareTransposes) {
  const auto store = test::random_store({.vertices = 61, .seed = 1});
  test::for_each_world({4}, [&](comm::Communicator& world) {
    if (world.size() != 4) return;
    device::Context context(one_thread());
    ProcessGrid grid(world, {.gz = 4});
    const auto shard = load_shard(context, grid, store, {});
    EXPECT_EQ(shard.transposed[0], shard.tile[1]);  // rows z of A, columns z of A
    EXPECT_EQ(shard.transposed[1], shard.tile[0]);
    EXPECT_EQ(shard.transposed[2], shard.tile[2]);  // all of A
  });
}

TEST(LoadShard, LoadsWhatTheLayersNeed) {
  const auto store = test::random_store({.vertices = 61, .symmetric = false, .seed = 1});
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    device::Context context(one_thread());
    ProcessGrid grid(world, {.gx = world.size()});
    const auto two = load_shard(context, grid, store, {.layers = 2, .first_backward_layer = 1});
    EXPECT_NE(two.tile[0], nullptr);
    EXPECT_NE(two.tile[1], nullptr);
    EXPECT_EQ(two.tile[2], nullptr);
    EXPECT_EQ(two.transposed[0], nullptr);
    EXPECT_NE(two.transposed[1], nullptr);
    EXPECT_EQ(two.transposed[2], nullptr);
    const auto four = load_shard(context, grid, store, {.layers = 4, .first_backward_layer = 1});
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_NE(four.transposed[i], nullptr);  // layer 3 has the roles of layer 0
  });
}

TEST(LoadShard, TilesHoldEveryEntryOnce) {
  const auto store = test::random_store({.vertices = 61, .degree = 6, .symmetric = false, .seed = 2});
  Index expected = store.info().edges + store.info().vertices - store.info().self_loops;
  test::for_each_world({2, 4, 6, 8}, [&](comm::Communicator& world) {
    for (const layout::Grid& shape : layout::tensor_grids(world.size())) {
      device::Context context(one_thread());
      ProcessGrid grid(world, shape);
      const auto shard = load_shard(context, grid, store, {});
      for (Index l = 0; l < 3; ++l) {
        // Each (row slab, column slab) tile is on all gC ranks of its C group.
        const Index copies = shape.size(layout::roles_of(l).c);
        EXPECT_EQ(sum(grid.tensor(), shard.forward(l).view().nnz(), comm::CommPurpose::kOther),
                  copies * expected);
        EXPECT_EQ(shard.backward(l).view().nnz(), shard.forward(l).view().nnz());
      }
    }
  });
}

TEST(LoadShard, AVertexWithoutEdgesHasFiniteFactors) {
  const test::MemoryStore store(5, {{0, 1}, {1, 0}});
  test::for_each_world({1, 2}, [&](comm::Communicator& world) {
    device::Context context(one_thread());
    ProcessGrid grid(world, {.gx = world.size()});
    const auto shard = load_shard(context, grid, store, {.add_self_loops = false});
    for (const float s : shard.forward(0).row_scale.span()) EXPECT_TRUE(std::isfinite(s));
  });
}

TEST(LoadShard, AllRanksStopWithOneError) {
  auto damaged = test::random_store({.vertices = 20, .seed = 1});
  damaged.fail_with("bad chunk");
  const auto good = test::random_store({.vertices = 20, .seed = 1});
  const test::MemoryStore negative(3, {{0, 1, -2.0F}, {1, 0, -2.0F}}, true);
  test::for_each_world({1, 2, 4}, [&](comm::Communicator& world) {
    device::Context context(one_thread());
    ProcessGrid grid(world, {.gz = world.size()});
    const bool last = world.rank() == world.size() - 1;  // fails here alone
    try {
      (void)load_shard(context, grid, last ? damaged : good, {});
      ADD_FAILURE() << "no error";
    } catch (const base::Error& e) {
      EXPECT_EQ(e.kind(), base::ErrorKind::kFormat);
      EXPECT_NE(std::string(e.what()).find("bad chunk"), std::string::npos) << e.what();
    }
    EXPECT_THROW((void)load_shard(context, grid, negative, {.add_self_loops = false}), base::InvalidArgument);
    EXPECT_NO_THROW((void)load_shard(context, grid, negative, {.normalisation = Normalisation::kNone}));
  });
}

TEST(LoadVertices, OwnRowsAndPadding) {
  auto store = test::random_store({.vertices = 10, .seed = 1});
  const test::Dense features = test::random_dense(10, 3, 5);
  store.set_features(features);
  store.set_labels({0, 1, 2, 3, 4, 5, 6, 7, 8, -1}, 9);
  store.set_splits(std::vector<graph::Split>(10, graph::Split::kValid));
  test::for_each_world({1, 2, 3, 4}, [&](comm::Communicator& world) {
    device::Context context(one_thread());
    ProcessGrid grid(world, {.gy = world.size()});
    const auto shard = load_shard(context, grid, store, {});
    const VertexData data = load_vertices(context, grid, store, shard);
    test::expect_own_rows(shard, data.features, features, 0, "features");
    for (Index i = 0; i < shard.block_rows; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const Index v = shard.own.begin + i;
      const bool real = i < shard.own.size();
      EXPECT_EQ(data.labels[at], !real || v == 9 ? -1 : v);
      EXPECT_EQ(data.split[at], real ? graph::Split::kValid : graph::Split::kNone);
    }
    EXPECT_TRUE(data.targets.empty());
    test::MemoryStore tasks(10, {});
    tasks.set_targets(features);
    const VertexData multi = load_vertices(context, grid, tasks, shard);
    EXPECT_TRUE(multi.labels.empty());
    EXPECT_TRUE(multi.features.empty());
    for (Index i = 0; i < shard.block_rows; ++i) {
      if (i < shard.own.size()) {
        EXPECT_EQ(multi.targets(i, 2), static_cast<float>(features(shard.own.begin + i, 2)));
      } else {
        EXPECT_TRUE(std::isnan(multi.targets(i, 2)));
      }
    }
  });
}

TEST(GradientBucket, SumsOverEveryRankInPartsAsTheyComplete) {
  test::for_each_world({1, 2, 3, 4, 6}, [](comm::Communicator& world) {
    device::Context context(one_thread());
    const int p = world.size();
    std::vector<float> data(10);
    const auto fill = [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        data[static_cast<std::size_t>(i)] = static_cast<float>((world.rank() + 1) * (i + 1));
    };
    const auto expect_sums = [&] {
      for (Index i = 0; i < 10; ++i)
        EXPECT_EQ(data[static_cast<std::size_t>(i)], static_cast<float>((i + 1) * p * (p + 1) / 2)) << i;
    };
    const auto message = [p](Index words) { return 4 * ceil_div(2 * words * (p - 1), p); };
    const auto bytes = [&] { return world.traffic().bytes(comm::CommPurpose::kGradient); };
    GradientBucket bucket(context, world, data, 4);
    for (int step = 0; step < 2; ++step) {  // it serves every step
      world.traffic().reset();
      fill(7, 10);
      bucket.ready_from(7);  // too small alone
      EXPECT_EQ(bytes(), 0);
      fill(3, 7);
      bucket.ready_from(3);
      EXPECT_THROW(bucket.ready_from(4), base::InternalError);
      fill(0, 3);
      bucket.finish();
      expect_sums();
      EXPECT_EQ(bytes(), message(7) + message(3));
    }
    world.traffic().reset();
    fill(0, 10);
    GradientBucket(context, world, data).finish();
    expect_sums();
    EXPECT_EQ(bytes(), message(10));
  });
}

TEST(Reduce, ScalarsAndVectors) {
  test::for_each_world({1, 3, 4}, [](comm::Communicator& world) {
    const int p = world.size(), r = world.rank();
    constexpr auto kPurpose = comm::CommPurpose::kMetric;
    EXPECT_EQ(sum(world, 0.5 * r, kPurpose), 0.25 * p * (p - 1));
    EXPECT_EQ(sum(world, (Index{1} << 40) + r, kPurpose), p * (Index{1} << 40) + p * (p - 1) / 2);
    EXPECT_EQ(max(world, -1.0 * r, kPurpose), 0.0);
    std::vector<double> values = {1.0, static_cast<double>(r)};
    sum(world, std::span<double>(values), kPurpose);
    EXPECT_EQ(values, (std::vector<double>{static_cast<double>(p), p * (p - 1) / 2.0}));
    std::vector<Index> counts = {1, r};
    sum(world, std::span<Index>(counts), kPurpose);
    EXPECT_EQ(counts, (std::vector<Index>{p, p * (p - 1) / 2}));
    const tensor::LossSum loss = sum(world, tensor::LossSum{.sum = 1.5, .terms = 2}, kPurpose);
    EXPECT_EQ(loss.sum, 1.5 * p);
    EXPECT_EQ(loss.terms, 2 * p);
  });
}

}  // namespace
}  // namespace opx::parallel
