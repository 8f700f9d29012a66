// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "spmm/gpu/tuner.hpp"

#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "device/gpu/device.hpp"
#include "spmm/gpu/variants.hpp"
#include "support/gpu.hpp"

namespace opx::spmm::gpu {
namespace {

struct Matrix {
  Matrix(Index rows, Index nnz, Index longest, std::uint64_t identity = 0)
      : offsets(static_cast<std::size_t>(rows) + 1), ids(static_cast<std::size_t>(nnz)) {
    view = {rows, rows, offsets, ids, {}, longest, identity};
  }
  std::vector<Index> offsets;
  std::vector<LocalIndex> ids;
  CsrView view;
};

Variant never(Tuner& tuner, const CsrView& a, bool cusparse = false) {
  return tuner.choose({a, 16, false, cusparse}, [](Variant) -> double {
    ADD_FAILURE() << "timed";
    return 0;
  });
}

class GpuTuner : public test::GpuTest {};

TEST_F(GpuTuner, RuleGoesByTheLongestRow) {
  EXPECT_EQ(variant_by_rule(Matrix(1000, 10'000, -1).view), Variant::kChunks);
  EXPECT_EQ(variant_by_rule(Matrix(1000, 10'000, 12).view), Variant::kRows);
  EXPECT_EQ(variant_by_rule(Matrix(1000, 10'000, 80).view), Variant::kRows);
  EXPECT_EQ(variant_by_rule(Matrix(1000, 10'000, 81).view), Variant::kChunks);
  EXPECT_EQ(variant_by_rule(Matrix(0, 0, 0).view), Variant::kRows);
}

TEST_F(GpuTuner, WordsForceAVariant) {
  const Matrix even(1000, 10'000, 12);
  for (const auto& [word, variant] : std::map<std::string, Variant>{{"", Variant::kRows},
                                                                    {"rule", Variant::kRows},
                                                                    {"rows", Variant::kRows},
                                                                    {"chunks", Variant::kChunks},
                                                                    {"cusparse2", Variant::kRows}}) {
    Tuner tuner(word);
    EXPECT_EQ(never(tuner, even.view), variant) << word;
  }
  Tuner cusparse("cusparse3");
  EXPECT_EQ(never(cusparse, even.view, true), Variant::kCusparse3);
  try {
    Tuner wrong("nnz");
    FAIL();
  } catch (const base::InvalidArgument& e) {
    EXPECT_NE(std::string(e.what()).find("'nnz'"), std::string::npos) << e.what();
  }
}

TEST_F(GpuTuner, TuneTimesOncePerProblem) {
  const Matrix a(1000, 10'000, 12, 1), b(1000, 10'000, 12, 2), batch(1000, 10'000, 12);
  Tuner tuner("tune");
  std::vector<Variant> timed;
  const auto seconds = [&](Variant v) {
    timed.push_back(v);
    return v == Variant::kChunks ? 1.0 : 2.0;
  };
  EXPECT_EQ(tuner.choose({a.view, 16, false, true}, seconds), Variant::kChunks);
  EXPECT_EQ(timed, (std::vector{Variant::kRows, Variant::kChunks, Variant::kCusparse1, Variant::kCusparse2,
                                Variant::kCusparse3}));
  EXPECT_EQ(never(tuner, a.view), Variant::kChunks);
  EXPECT_EQ(tuner.choose({a.view, 16, true, false}, seconds), Variant::kChunks);
  EXPECT_EQ(timed.size(), 7U);
  EXPECT_EQ(tuner.choose({b.view, 16, false, false}, seconds), Variant::kChunks);
  EXPECT_EQ(timed.size(), 9U);
  EXPECT_EQ(never(tuner, batch.view), Variant::kRows);
  EXPECT_EQ(tuner.choose({b.view, 32, false, true, false}, seconds), Variant::kRows) << "within a capture";
  EXPECT_EQ(timed.size(), 9U);
  EXPECT_EQ(tuner.choose({b.view, 32, false, true, true}, seconds), Variant::kChunks);
  EXPECT_EQ(timed.size(), 14U);
}

TEST_F(GpuTuner, MultiplyAsksTheTunerOfItsDevice) { EXPECT_EQ(&Tuner::of(gpu()), &Tuner::of(gpu())); }

TEST_F(GpuTuner, ChunksGrowWithTheEntries) {
  EXPECT_EQ(chunk_of(0), 128);
  EXPECT_EQ(chunk_of(Index{1} << 22), 128);
  EXPECT_EQ(chunk_of((Index{1} << 22) + 1), 256);
  EXPECT_EQ(chunk_of(Index{100} << 20), 4096);
}

}  // namespace
}  // namespace opx::spmm::gpu
