// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/csr.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "spmm/cpu/schedule.hpp"
#include "spmm/kernels.hpp"
#include "unit/spmm/random_csr.hpp"

namespace opx::spmm {
namespace {

using ::testing::HasSubstr;
using testing::HostCsr;
using testing::random_csr;
using ::testing::ThrowsMessage;

void expect_equal(const Csr& a, const Csr& b) {
  ASSERT_EQ(a.rows, b.rows);
  ASSERT_EQ(a.cols, b.cols);
  EXPECT_TRUE(
      std::equal(a.row_offsets.begin(), a.row_offsets.end(), b.row_offsets.begin(), b.row_offsets.end()));
  EXPECT_TRUE(std::equal(a.col_ids.begin(), a.col_ids.end(), b.col_ids.begin(), b.col_ids.end()));
  EXPECT_TRUE(std::equal(a.values.begin(), a.values.end(), b.values.begin(), b.values.end()));
}

TEST(Transpose, SmallByHand) {
  device::Context context({.threads = 2});
  const HostCsr a{2, 3, {0, 2, 4}, {0, 2, 1, 2}, {1, 2, 3, 4}};
  const Csr t = transpose(context, a.view());
  EXPECT_THAT(t.row_offsets.span(), ::testing::ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(t.col_ids.span(), ::testing::ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(t.values.span(), ::testing::ElementsAre(1, 3, 2, 4));
}

TEST(Transpose, EqualsReferenceForAnyNumberOfThreads) {
  for (const auto& [rows, cols] :
       {std::pair<Index, Index>{0, 0}, {0, 5}, {5, 0}, {1, 1}, {97, 1}, {1, 97}, {211, 40000}, {1999, 307}})
    for (const bool valued : {false, true}) {
      const HostCsr a = random_csr(7, rows, cols, 23, valued, rows / 2, 3000);
      for (const int threads : {1, 2, 5}) {
        device::Context context({.threads = threads});
        const Csr t = transpose(context, a.view());
        validate(t.view());
        expect_equal(t, ref::transpose(context, a.view()));
        const Csr back = transpose(context, t.view());
        EXPECT_TRUE(std::equal(back.col_ids.begin(), back.col_ids.end(), a.col_ids.begin(), a.col_ids.end()));
      }
    }
}

TEST(Transpose, IntoMemoryThatIsThere) {
  device::Context context({.threads = 3});
  Csr to;
  TransposeScratch scratch;
  std::size_t held = 0;
  for (const Index rows : {Index{300}, Index{299}, Index{40}, Index{300}}) {
    for (const bool valued : {true, false}) {
      const HostCsr a = random_csr(9, rows, 2 * rows, 17, valued);
      context.memory().reset_peak();
      transpose_into(context, a.view(), scratch, to);
      if (held > 0) {
        EXPECT_EQ(context.memory().peak(), held);
      }
      held = context.memory().now();
      expect_equal(to, ref::transpose(context, a.view()));
    }
  }
}

TEST(Transpose, KeepsDuplicateEntries) {
  device::Context context({.threads = 2});
  const HostCsr a{2, 2, {0, 2, 3}, {1, 1, 1}, {1, 2, 3}};
  const Csr t = transpose(context, a.view());
  EXPECT_THAT(t.row_offsets.span(), ::testing::ElementsAre(0, 0, 3));
  EXPECT_THAT(t.col_ids.span(), ::testing::ElementsAre(0, 0, 1));
  EXPECT_THAT(t.values.span(), ::testing::ElementsAre(1, 2, 3));
}

TEST(Validate, AcceptsWhatIsRight) {
  EXPECT_NO_THROW(validate(HostCsr{}.view()));
  EXPECT_NO_THROW(validate(random_csr(3, 31, 17, 5, true).view()));
}

TEST(Validate, NamesWhatIsWrong) {
  const auto message = [](HostCsr a) { return [a] { validate(a.view()); }; };
  const auto throws = [](const char* text) { return ThrowsMessage<base::InvalidArgument>(HasSubstr(text)); };
  EXPECT_THAT(message({2, 2, {0, 1}, {0}, {}}), throws("2 rows need 3 offsets, there are 2"));
  EXPECT_THAT(message({1, 2, {1, 1}, {}, {}}), throws("start at 1"));
  EXPECT_THAT(message({2, 2, {0, 2, 1}, {0}, {}}), throws("fall from 2 to 1 at row 1"));
  EXPECT_THAT(message({1, 2, {0, 2}, {0}, {}}), throws("end at 2 but there are 1"));
  EXPECT_THAT(message({1, 2, {0, 1}, {0}, {1, 2}}), throws("2 values for 1"));
  EXPECT_THAT(message({1, 2, {0, 1}, {2}, {}}), throws("entry 0 has column 2"));
  EXPECT_THAT(message({1, 2, {0, 1}, {-1}, {}}), throws("column -1"));
}

TEST(Schedule, CoversEveryRowOnce) {
  for (const Index hub : {Index{-1}, Index{0}, Index{500}, Index{999}}) {
    const HostCsr a = random_csr(11, 1000, 60000, 9, false, hub, 40000);
    const cpu::Schedule s = cpu::make_schedule(a.view());
    std::vector<int> seen(1000, 0);
    for (const Range& chunk : s.chunks)
      for (Index i = chunk.begin; i < chunk.end; ++i) ++seen[static_cast<std::size_t>(i)];
    for (const cpu::Hub& h : s.hubs) {
      ++seen[static_cast<std::size_t>(h.row)];
      Index next = a.row_offsets[static_cast<std::size_t>(h.row)];
      for (Index p = h.pieces.begin; p < h.pieces.end; ++p) {
        EXPECT_EQ(s.pieces[static_cast<std::size_t>(p)].begin, next);
        next = s.pieces[static_cast<std::size_t>(p)].end;
        EXPECT_LE(s.pieces[static_cast<std::size_t>(p)].size(), cpu::kPieceEntries);
      }
      EXPECT_EQ(next, a.row_offsets[static_cast<std::size_t>(h.row) + 1]);
    }
    EXPECT_THAT(seen, ::testing::Each(1));
    EXPECT_EQ(s.hubs.size(), hub < 0 ? 0U : 1U);
    for (const Range& chunk : s.chunks)
      EXPECT_LE(a.row_offsets[static_cast<std::size_t>(chunk.end)] -
                    a.row_offsets[static_cast<std::size_t>(chunk.begin)],
                cpu::kChunkCost + cpu::kHubEntries);
  }
}

}  // namespace
}  // namespace opx::spmm
