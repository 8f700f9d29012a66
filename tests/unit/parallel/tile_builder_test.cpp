// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/tile_builder.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "support/memory_store.hpp"

namespace opx::parallel {
namespace {

TEST(Slab, WorkedExample) {
  const Slab slab(5, 3, {2, 0});
  EXPECT_EQ(slab.size(), 4);
  EXPECT_EQ(slab.vertices(), 3);
  EXPECT_EQ(slab.positions(0), (Range{3, 5}));
  EXPECT_EQ(slab.begin(1), 2);
  EXPECT_EQ(slab.find(0), 1);
  EXPECT_EQ(slab.find(1), -1);
  EXPECT_EQ(slab.rising(), (std::vector<Range>{{0, 1}, {3, 5}}));
  EXPECT_EQ(slab.slab_index(), (std::vector<std::int32_t>{2, 0, 1}));
  EXPECT_FALSE(slab.ascending());
  EXPECT_FALSE(slab.whole());
}

TEST(Slab, NeighboursAreJoinedAndTheIdentityIsEmpty) {
  const Slab slab(12, 4, {1, 2});
  EXPECT_EQ(slab.rising(), (std::vector<Range>{{3, 9}}));
  EXPECT_TRUE(slab.slab_index().empty());
  EXPECT_TRUE(slab.ascending());
  EXPECT_TRUE(Slab(0, 1, {0}).rising().empty());
  EXPECT_EQ(Slab(0, 1, {0}).size(), 0);
}

TEST(Slab, RejectsWhatATileCannotHold) {
  EXPECT_THROW(Slab(Index{1} << 32, 1, {0}), base::InvalidArgument);
  EXPECT_NO_THROW(Slab(Index{1} << 20, 2, {0}));
}

/// The tile by definition: entry (i, j) of A at the slab indices of i and j.
test::Dense expected(const test::MemoryStore& store, const Slab& rows, const Slab& cols, bool loops) {
  const test::Dense a = store.normalised(test::Factors::kNone, loops);
  test::Dense tile(rows.size(), cols.size());
  for (std::size_t br = 0; br < rows.blocks().size(); ++br) {
    for (std::size_t bc = 0; bc < cols.blocks().size(); ++bc) {
      const Range r = rows.positions(br), c = cols.positions(bc);
      for (Index i = 0; i < r.size(); ++i) {
        for (Index j = 0; j < c.size(); ++j)
          tile(rows.begin(br) + i, cols.begin(bc) + j) = a(r.begin + i, c.begin + j);
      }
    }
  }
  return tile;
}

void check(const test::MemoryStore& store, const Slab& rows, const Slab& cols, bool loops) {
  device::Context context({.threads = 2, .logger = {}});
  const spmm::Csr csr = build_tile(context, store, rows, cols, loops);
  spmm::validate(csr.view());
  EXPECT_EQ(csr.rows, rows.size());
  EXPECT_EQ(csr.cols, cols.size());
  test::Dense got(csr.rows, csr.cols);
  for (Index i = 0; i < csr.rows; ++i) {
    for (Index e = csr.row_offsets[i]; e < csr.row_offsets[i + 1]; ++e) {
      if (e > csr.row_offsets[i]) {
        EXPECT_LT(csr.col_ids[e - 1], csr.col_ids[e]);
      }
      got(i, csr.col_ids[e]) = csr.values.empty() ? 1.0F : csr.values[e];
    }
  }
  EXPECT_EQ(got.data, expected(store, rows, cols, loops).data);
}

TEST(BuildTile, EqualsTheDefinitionInAnyBlockOrder) {
  for (const bool weighted : {false, true}) {
    const auto store = test::random_store(
        {.vertices = 61, .degree = 5, .symmetric = false, .weighted = weighted, .seed = 3});
    for (const bool loops : {false, true}) {
      check(store, Slab(61, 1, {0}), Slab(61, 1, {0}), loops);
      check(store, Slab(61, 6, {0, 2, 4}), Slab(61, 6, {5, 2, 0, 3}), loops);
      check(store, Slab(61, 6, {3, 1}), Slab(61, 6, {0, 1, 2}), loops);
      check(store, Slab(61, 6, {1, 0, 5}), Slab(61, 6, {4}), loops);
      check(store, Slab(61, 64, {0, 9, 3}), Slab(61, 64, {63, 9, 0}), loops);  // blocks of one vertex or none
    }
  }
}

TEST(SlabDegrees, CountSelfLoops) {
  const test::MemoryStore store(4, {{0, 1, 2.0F}, {1, 1, 3.0F}, {2, 1, 4.0F}}, true);
  const Slab slab(4, 2, {1, 0});
  const SlabDegrees plain = read_slab_degrees(store, slab, false),
                    loops = read_slab_degrees(store, slab, true);
  EXPECT_EQ(plain.row_sums, (std::vector<float>{4, 0, 2, 3}));
  EXPECT_EQ(plain.col_sums, (std::vector<float>{0, 0, 0, 9}));
  EXPECT_EQ(loops.row_sums, (std::vector<float>{5, 1, 3, 3}));  // vertex 1 has its loop already
  EXPECT_EQ(loops.col_sums, (std::vector<float>{1, 1, 1, 9}));
}

}  // namespace
}  // namespace opx::parallel
