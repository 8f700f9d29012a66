// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/host_input.hpp"

#include "device/transfer.hpp"
#include "model/operand.hpp"
#include "support/gpu.hpp"
#include "support/memory_store.hpp"
#include "train/trainer_base.hpp"

namespace opx::model {
namespace {

using tensor::Matrix;
using tensor::MatrixView;

class GpuHostInput : public test::GpuTest {
 protected:
  Matrix<float> upload(MatrixView<const float> from) {
    Matrix<float> to(context(), from.rows, from.cols);
    device::copy_to_device(
        context(), std::span<const float>(from.data, static_cast<std::size_t>(from.size())), to.span());
    return to;
  }
  Matrix<float> random(Index rows, Index cols, std::uint64_t seed) {
    Matrix<float> out(context().host(), rows, cols);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) out.view()(i, j) = static_cast<float>(test::uniform(seed, i, j));
    return out;
  }
  std::vector<float> back(MatrixView<const float> x) {
    const Matrix<float> host = train::to_host(context(), x);
    return {host.data(), host.data() + host.rows() * host.cols()};
  }
};

// Five panels, the last one short, dropout or not, rows aligned or not: products are equal to the bit.
TEST_F(GpuHostInput, PanelsGiveTheBitsOfMemoryOnTheGpu) {
  constexpr Index kRows = 4 * 64 + 37, kCols = 10, kOut = 7;
  const Matrix<float> x = random(kRows, kCols, 1), w = random(kCols, kOut, 2), dq = random(kRows, kOut, 3);
  Matrix<float> there = upload(x.view()), weight = upload(w.view()), gradient = upload(dq.view());
  HostMatrix here = host_matrix(context(), x.view());
  for (const bool aligned : {false, true}) {
    Workspace workspace(context());
    if (aligned) workspace.align_rows();
    for (const float rate : {0.0F, 0.4F}) {
      const tensor::Dropout dropout{.rate = rate, .seed = 5, .step = 2, .layer = 1, .vertex_begin = 100};
      std::vector<std::vector<float>> seen;
      for (const bool on_host : {false, true}) {
        const Operand operand{Array::borrow(on_host ? here.view() : there.view()), dropout, nullptr, on_host,
                              64 * kCols};
        Matrix<float> q(context(), kRows, kOut), dw(context(), kCols, kOut);
        tensor::fill(context(), 1.0F, q.view());
        transform(context(), workspace, operand, weight.view(), 1, q.view());
        weight_gradient(context(), workspace, operand, gradient.view(), dw.view());
        std::vector<float> all = back(q.view());
        for (const Array& y : {materialise(context(), workspace, operand, nullptr)})
          for (const float v : back(y.view())) all.push_back(v);
        for (const float v : back(dw.view())) all.push_back(v);
        seen.push_back(std::move(all));
      }
      EXPECT_EQ(seen[0], seen[1]) << "dropout " << rate << (aligned ? ", aligned" : "");
    }
  }
}

TEST_F(GpuHostInput, TheHostDoesNotWait) {
  constexpr Index kRows = 300, kCols = 8;
  const Matrix<float> x = random(kRows, kCols, 1);
  HostMatrix here = host_matrix(context(), x.view());
  Matrix<float> w(context(), kCols, 4), q(context(), kRows, 4);
  tensor::fill(context(), 0.5F, w.view());
  Workspace workspace(context());
  gpu().reset_counters();
  transform(context(), workspace, {Array::borrow(here.view()), {}, nullptr, true, 64 * kCols}, w.view(), 0,
            q.view());
  EXPECT_EQ(gpu().counters().synchronisations, 0);
  EXPECT_EQ(gpu().counters().bytes_to_device, kRows * kCols * 4);
  gpu().synchronise();
}

}  // namespace
}  // namespace opx::model
