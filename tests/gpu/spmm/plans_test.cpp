// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the vendor's library keeps of a matrix: when it is made, used, refused and given back.
#include "spmm/gpu/plans.hpp"

#include <vector>

#include "base/error.hpp"
#include "device/gpu/graph_memory.hpp"
#include "device/transfer.hpp"
#include "spmm/gpu/variants.hpp"
#include "spmm/kernels.hpp"
#include "support/gpu.hpp"
#include "unit/spmm/random_csr.hpp"

namespace opx::spmm {
namespace {

using testing::draw;
using testing::HostCsr;
using testing::random_csr;

class GpuPlans : public test::GpuTest {
 protected:
  Csr there(const HostCsr& a, bool identity = true) {
    Csr csr;
    csr.rows = a.rows, csr.cols = a.cols;
    csr.row_offsets = device::device_copy<Index>(context(), a.row_offsets);
    csr.col_ids = device::device_copy<std::int32_t>(context(), a.col_ids);
    csr.values = device::device_copy<float>(context(), a.values);
    if (identity) csr.identity = context().new_identity();
    return csr;
  }
  device::Buffer<float> features(const HostCsr& a, Index cols) {
    std::vector<float> x;
    for (Index i = 0; i < a.cols * cols; ++i) x.push_back(draw(5, i));
    return device::device_copy<float>(context(), x);
  }
  /// Against ref/.
  void check(const HostCsr& a, const Csr& csr, Index cols, int algorithm,
             std::span<const float> row_scale = {}) {
    const auto x = features(a, cols);
    device::Buffer<float> y(context(), a.rows * cols);
    const device::Resident<float> scale(context(), row_scale);
    gpu::multiply_cusparse(context(), csr.view(), {x.data(), a.cols, cols, cols},
                           {y.data(), a.rows, cols, cols}, {.row_scale = scale.span()}, algorithm);
    const auto x_here = device::host_copy<float>(context(), x.span()),
               got = device::host_copy<float>(context(), y.span());
    std::vector<float> want(got.size());
    ref::multiply(context(), a.view(), tensor::MatrixView<const float>(x_here.data(), a.cols, cols, cols),
                  tensor::MatrixView<float>(want.data(), a.rows, cols, cols), {.row_scale = row_scale});
    for (std::size_t k = 0; k < want.size(); ++k) ASSERT_NEAR(got[k], want[k], 1e-5) << k;
  }
  gpu::Plans& plans() { return gpu::Plans::of(gpu()); }
};

TEST_F(GpuPlans, OnePerMatrixShapeAndAlgorithm) {
  const HostCsr a = random_csr(1, 40, 30, 7, true), b = random_csr(2, 40, 30, 7, true);
  const Csr first = there(a), second = there(b);
  EXPECT_NE(first.identity, second.identity);
  std::vector<float> scale;
  for (Index i = 0; i < a.rows; ++i) scale.push_back(draw(9, i));
  for (int round = 0; round < 3; ++round) {
    check(a, first, 8, 1);
    check(a, first, 8, 1, scale);  // other weights, the same pattern
    check(a, first, 16, 1);
    check(a, first, 8, 3);
    check(b, second, 8, 1);
    EXPECT_EQ(plans().size(), 4U);
  }
}

TEST_F(GpuPlans, NothingIsLaunchedOrTakenForAKnownOne) {
  const HostCsr a = random_csr(1, 40, 30, 7, true);
  const Csr csr = there(a);
  const auto x = features(a, 8);
  device::Buffer<float> y(context(), a.rows * 8);
  const auto multiply = [&] {
    gpu::multiply_cusparse(context(), csr.view(), {x.data(), a.cols, 8, 8}, {y.data(), a.rows, 8, 8}, {}, 2);
  };
  multiply();
  const std::size_t kept = gpu().memory().now();
  gpu().memory().reset_peak();
  gpu().reset_counters();
  multiply();
  EXPECT_EQ(gpu().counters().launches, 1);
  EXPECT_EQ(gpu().counters().synchronisations, 0);
  EXPECT_EQ(gpu().memory().peak(), kept);
}

TEST_F(GpuPlans, NothingIsKeptWithoutIdentity) {
  const HostCsr a = random_csr(1, 40, 30, 7, true), b = random_csr(2, 40, 30, 7, true);
  Csr tile = there(a, false);
  check(a, tile, 8, 1);
  tile = there(b, false);
  check(b, tile, 8, 1);
  EXPECT_EQ(plans().size(), 0U);
}

TEST_F(GpuPlans, ATransposeIntoAMatrixTakesItsIdentity) {
  const HostCsr a = random_csr(1, 30, 30, 7, true);
  const Csr from = there(a);
  Csr to = there(a);
  TransposeScratch scratch;
  transpose_into(context(), from.view(), scratch, to);
  EXPECT_EQ(to.identity, 0U);
}

TEST_F(GpuPlans, IdentityOfAnotherMatrixIsRefused) {
  const HostCsr a = random_csr(1, 40, 30, 7, true), b = random_csr(2, 40, 30, 7, true);
  const Csr first = there(a);
  Csr second = there(b);
  check(a, first, 8, 1);
  second.identity = first.identity;
  try {
    check(b, second, 8, 1);
    FAIL() << "multiplied";
  } catch (const base::InternalError& e) {
    EXPECT_NE(std::string(e.what()).find("identity 1 of another"), std::string::npos) << e.what();
  }
}

// cuSPARSE would read its analysis of the pattern before.
TEST_F(GpuPlans, StandInFindsAPatternThatChanged) {
  if (device::gpu::runtime_name() != "host") GTEST_SKIP() << "cuSPARSE does not say";
  const HostCsr a = random_csr(1, 40, 30, 7, true), b = random_csr(2, 40, 30, 7, true, 3, 9);
  HostCsr moved = a;
  moved.col_ids[0] = moved.col_ids[0] == 0 ? 1 : 0;
  Csr csr = there(a);
  check(a, csr, 8, 1);
  device::copy_to_device<std::int32_t>(context(), moved.col_ids, csr.col_ids.span());
  try {
    check(moved, csr, 8, 1);
    FAIL() << "multiplied";
  } catch (const base::DeviceError& e) {
    EXPECT_NE(std::string(e.what()).find("is not the one that was analysed"), std::string::npos) << e.what();
  }
  csr.identity = context().new_identity();
  check(moved, csr, 8, 1);
}

TEST_F(GpuPlans, TheOneUsedLongestAgoGoesFirst) {
  const HostCsr a = random_csr(1, 4, 3, 2, true);
  std::vector<Csr> matrices;
  for (std::size_t i = 0; i < gpu::Plans::kMost; ++i) matrices.push_back(there(a));
  for (const Csr& csr : matrices) check(a, csr, 2, 1);
  EXPECT_EQ(plans().size(), gpu::Plans::kMost);
  check(a, matrices[0], 2, 1);
  const Csr more = there(a);
  check(a, more, 2, 1);  // in place of matrices[1]
  EXPECT_EQ(plans().size(), gpu::Plans::kMost);
  const auto x = features(a, 2);
  device::Buffer<float> y(context(), a.rows * 2);
  const auto launches = [&](const Csr& csr) {
    gpu().reset_counters();
    gpu::multiply_cusparse(context(), csr.view(), {x.data(), a.cols, 2, 2}, {y.data(), a.rows, 2, 2}, {}, 1);
    return gpu().counters().launches;
  };
  EXPECT_EQ(launches(matrices[0]), 1);
  EXPECT_EQ(launches(matrices[2]), 1);
  EXPECT_EQ(launches(matrices[1]), 2) << "its offsets were kept";
}

TEST_F(GpuPlans, WithinACaptureNoneIsMade) {
  const HostCsr a = random_csr(1, 40, 30, 7, true);
  const Csr known = there(a), unknown = there(a);
  const auto x = features(a, 8);
  device::Buffer<float> y(context(), a.rows * 8), z(context(), a.rows * 8);
  const auto multiply = [&](const Csr& csr, device::Buffer<float>& to) {
    gpu::multiply_cusparse(context(), csr.view(), {x.data(), a.cols, 8, 8}, {to.data(), a.rows, 8, 8}, {}, 1);
  };
  multiply(known, y);
  device::gpu::GraphMemory memory(gpu());
  device::gpu::GraphExec graph;
  {
    const device::gpu::GraphMemory::Use use(memory);
    multiply(there(a, false), z);  // makes the blocks that a product without plan takes
    gpu().synchronise();
    gpu().begin_capture(gpu().compute(), memory);
    multiply(known, y);
    multiply(unknown, z);
    graph = gpu().end_capture();
  }
  EXPECT_EQ(plans().size(), 1U);
  device::set_zero(context(), y.span());
  device::set_zero(context(), z.span());
  gpu().launch(graph, gpu().compute());
  const auto first = device::host_copy<float>(context(), y.span()),
             second = device::host_copy<float>(context(), z.span());
  EXPECT_EQ(first, second);
  EXPECT_NE(first, std::vector<float>(first.size()));
}

}  // namespace
}  // namespace opx::spmm
