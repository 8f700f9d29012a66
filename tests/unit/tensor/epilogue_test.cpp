// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <limits>
#include <numeric>

#include "support/epilogue_case.hpp"
#include "support/matrices.hpp"
#include "tensor/elementwise.hpp"
#include "tensor/kernels.hpp"
#include "tensor/targets.hpp"

namespace opx::tensor {
namespace {

using test::Strided;
using test::worst_difference;

constexpr std::array kNorms = {Norm::kNone, Norm::kLayer, Norm::kRms, Norm::kBatch};

using Case = test::EpilogueCase;

/// What one backend computes for a Case.
struct Result {
  Strided<float> y, dq;
  std::vector<float> mean, inverse_std, bias, gamma, beta;
  PassMask mask;

  Result(device::Context& context, Index rows, Index cols)
      : y(rows, cols, 5),
        dq(rows, cols, 1),
        mean(static_cast<std::size_t>(rows)),
        inverse_std(mean),
        bias(static_cast<std::size_t>(cols)),
        gamma(bias),
        beta(bias),
        mask(context, rows, cols) {}
};

Result run(device::Context& context, const Case& c, EpilogueForward& forward, EpilogueBackward& backward) {
  Result r(context, c.rows, c.cols);
  const RowMoments moments{r.mean, r.inverse_std};
  forward(context, c.q.read(), c.epilogue, c.residual.read(), r.y.view(), &r.mask, &moments);
  backward(context, c.dy.read(), c.q.read(), c.epilogue, r.mask, &moments, r.dq.view(),
           {r.bias, r.gamma, r.beta});
  return r;
}

Result run_cpu(device::Context& context, const Case& c) {
  return run(context, c, epilogue_forward, epilogue_backward);
}
Result run_ref(device::Context& context, const Case& c) {
  return run(context, c, ref::epilogue_forward, ref::epilogue_backward);
}

bool same_mask(const PassMask& a, const PassMask& b, Index rows) {
  for (Index i = 0; i < rows; ++i)
    if (!std::equal(a.row(i), a.row(i) + a.words_per_row(), b.row(i))) return false;
  return true;
}

/// Every instruction set of this machine, forced in turn.
class OnTarget : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { tensor::force_target(GetParam()); }
  void TearDown() override { tensor::force_target(""); }
};
class EpilogueOn : public OnTarget {};
class DropoutOn : public OnTarget {};
class BatchNormOn : public OnTarget {};
const auto kTargets = ::testing::ValuesIn(tensor::available_targets());
const auto kName = [](const auto& target) { return target.param; };
INSTANTIATE_TEST_SUITE_P(Targets, EpilogueOn, kTargets, kName);
INSTANTIATE_TEST_SUITE_P(Targets, DropoutOn, kTargets, kName);
INSTANTIATE_TEST_SUITE_P(Targets, BatchNormOn, kTargets, kName);

TEST_P(EpilogueOn, TargetIsTheForcedOne) {
  EXPECT_EQ(tensor::chosen_target(), GetParam());
  EXPECT_THROW(tensor::force_target("no such set"), base::InvalidArgument);
}

// Tolerances: fp32 against fp64, values of order one, sums over 131 rows.
TEST_P(EpilogueOn, EqualsReferenceForEveryNormAndWidth) {
  device::Context context({.threads = 2});
  for (const Index cols : test::column_counts())
    for (const Norm norm : kNorms)
      for (const Activation activation : {Activation::kNone, Activation::kRelu})
        for (const float rate : {0.0F, 0.5F}) {
          if (norm == Norm::kLayer && cols == 1)
            continue;  // the variance is 0: 1 / sqrt(epsilon) magnifies rounding
          const Case c(131, cols, norm, activation, rate);
          const Result got = run_cpu(context, c), expected = run_ref(context, c);
          SCOPED_TRACE(testing::Message()
                       << cols << " columns, norm " << static_cast<int>(norm) << ", rate " << rate);
          EXPECT_TRUE(same_mask(got.mask, expected.mask, c.rows));
          EXPECT_LT(worst_difference(got.y.read(), expected.y.read()), 1e-5);
          EXPECT_LT(worst_difference(got.dq.read(), expected.dq.read()), 1e-5);
          if (cols > 0) {
            EXPECT_LT(worst_difference(got.mean, expected.mean), 1e-5);
            EXPECT_LT(worst_difference(got.inverse_std, expected.inverse_std), 1e-5);
          }
          EXPECT_LT(worst_difference(got.bias, expected.bias), 1e-4);
          EXPECT_LT(worst_difference(got.gamma, expected.gamma), 1e-4);
          EXPECT_LT(worst_difference(got.beta, expected.beta), 1e-4);
          EXPECT_TRUE(got.y.guards_intact());
          EXPECT_TRUE(got.dq.guards_intact());
        }
}

TEST(Epilogue, MayRunInPlaceAndWithoutMask) {
  device::Context context({.threads = 2});
  Case c(77, 47, Norm::kNone, Activation::kRelu, 0.5F);
  const Result expected = run_cpu(context, c);
  epilogue_forward(context, c.q.read(), c.epilogue, c.residual.read(), c.q.view(), nullptr, nullptr);
  EXPECT_EQ(worst_difference(c.q.read(), expected.y.read()), 0);
  epilogue_backward(context, c.dy.read(), {}, c.epilogue, expected.mask, nullptr, c.dy.view(), {});
  EXPECT_EQ(worst_difference(c.dy.read(), expected.dq.read()), 0);
}

TEST(Epilogue, BitsDoNotDependOnThreads) {
  for (const Norm norm : kNorms) {
    const Case c(5003, 130, norm, Activation::kRelu, 0.3F);
    device::Context serial({.threads = 1}), parallel({.threads = 4});
    const Result one = run_cpu(serial, c), four = run_cpu(parallel, c);
    EXPECT_TRUE(one.y.same_bits(four.y));
    EXPECT_TRUE(one.dq.same_bits(four.dq));
    EXPECT_EQ(one.bias, four.bias);
    EXPECT_EQ(one.gamma, four.gamma);
    EXPECT_EQ(one.beta, four.beta);
  }
}

/// sum over dy * y of the reference in fp32 storage, for finite differences.
double objective(device::Context& context, const Case& c) {
  Strided<float> y(c.rows, c.cols);
  ref::epilogue_forward(context, c.q.read(), c.epilogue, {}, y.view(), nullptr, nullptr);
  double sum = 0;
  for (Index i = 0; i < c.rows; ++i)
    for (Index j = 0; j < c.cols; ++j)
      sum += static_cast<double>(y.read()(i, j)) * static_cast<double>(c.dy.read()(i, j));
  return sum;
}

/// d objective / d value by central differences. The step is large because y is stored in fp32.
double slope(device::Context& context, const Case& c, float& value) {
  constexpr float kStep = 1.0F / 128;
  const float before = value;
  value = before + kStep;
  const double up = objective(context, c);
  value = before - kStep;
  const double down = objective(context, c);
  value = before;
  return (up - down) / (2 * static_cast<double>(kStep));
}

TEST(Epilogue, GradientsEqualFiniteDifferences) {
  device::Context context({.threads = 1});
  for (const Norm norm : {Norm::kNone, Norm::kLayer, Norm::kRms}) {
    Case c(3, 7, norm, Activation::kNone, 0.25F);  // no ReLU: its kink would lie inside the step
    const Result r = run_cpu(context, c);
    for (Index i = 0; i < c.rows; ++i)
      for (Index j = 0; j < c.cols; ++j)
        EXPECT_NEAR(r.dq.read()(i, j), slope(context, c, c.q.view()(i, j)), 2e-3);
    for (std::size_t j = 0; j < 7; ++j) {
      EXPECT_NEAR(r.bias[j], slope(context, c, c.bias[j]), 3e-3);
      EXPECT_NEAR(r.gamma[j], slope(context, c, c.gamma[j]), 2e-3);  // 0 where the epilogue has none
      EXPECT_NEAR(r.beta[j], slope(context, c, c.beta[j]), 2e-3);
    }
  }
}

/// Batch norm from its pieces, as the caller puts them together; dq of the chosen backend.
class BatchNorm {
 public:
  BatchNorm(device::Context& context, Index valid) : context_(context), valid_(valid) {}

  void set_moments(Case& c) const {
    const auto n = static_cast<std::size_t>(c.cols);
    std::vector<double> sum(n), squares(n), mean(n);
    column_sums(context_, c.q.read(), c.bias, valid_, {}, sum, {});
    for (std::size_t j = 0; j < n; ++j) mean[j] = sum[j] / static_cast<double>(valid_);
    column_sums(context_, c.q.read(), c.bias, valid_, mean, sum, squares);
    for (std::size_t j = 0; j < n; ++j) {
      c.mean[j] = static_cast<float>(mean[j]);
      const double variance = squares[j] / static_cast<double>(valid_);
      c.inverse_std[j] =
          static_cast<float>(1 / std::sqrt(variance + static_cast<double>(c.epilogue.epsilon)));
    }
  }

 private:
  device::Context& context_;
  Index valid_;
};

TEST(BatchNorm, GradientEqualsFiniteDifferences) {
  device::Context context({.threads = 1});
  const BatchNorm batch_norm(context, 9);
  Case c(9, 5, Norm::kBatch, Activation::kNone, 0);
  batch_norm.set_moments(c);
  Result r = run_cpu(context, c);
  batch_norm_backward(context, c.q.read(), c.epilogue, r.gamma, r.beta, 9, 9, r.dq.view());
  for (const float b : r.bias) EXPECT_EQ(b, 0.0F);
  for (Index i = 0; i < c.rows; ++i)
    for (Index j = 0; j < c.cols; ++j) {
      constexpr float kStep = 1.0F / 128;
      float& value = c.q.view()(i, j);
      const float before = value;
      value = before + kStep;
      batch_norm.set_moments(c);
      const double up = objective(context, c);
      value = before - kStep;
      batch_norm.set_moments(c);
      const double down = objective(context, c);
      value = before;
      EXPECT_NEAR(r.dq.read()(i, j), (up - down) / (2 * static_cast<double>(kStep)), 3e-3);
    }
}

TEST_P(BatchNormOn, BackwardEqualsReferenceAndClearsPaddedRows) {
  device::Context context({.threads = 2});
  for (const Index cols : test::column_counts()) {
    const Case c(131, cols, Norm::kBatch, Activation::kRelu, 0.5F);
    Result got = run_cpu(context, c), expected = run_ref(context, c);
    batch_norm_backward(context, c.q.read(), c.epilogue, got.gamma, got.beta, 1000, 129, got.dq.view());
    ref::batch_norm_backward(context, c.q.read(), c.epilogue, expected.gamma, expected.beta, 1000, 129,
                             expected.dq.view());
    EXPECT_LT(worst_difference(got.dq.read(), expected.dq.read()), 1e-5) << cols;
    EXPECT_TRUE(got.dq.guards_intact());
    for (Index j = 0; j < cols; ++j) EXPECT_EQ(got.dq.read()(130, j), 0.0F);
  }
}

TEST_P(EpilogueOn, NanIsSeenAfterRelu) {
  device::Context context({.threads = 1});
  Case c(2, 20, Norm::kNone, Activation::kRelu, 0);
  c.q.view()(1, 18) = std::numeric_limits<float>::quiet_NaN();
  const Result r = run_cpu(context, c), expected = run_ref(context, c);
  EXPECT_TRUE(std::isnan(r.y.read()(1, 18)));
  EXPECT_TRUE(r.mask.test(1, 18));
  EXPECT_LT(worst_difference(r.y.read(), expected.y.read()), 1e-5);
}

TEST_P(DropoutOn, MaskIsTheDocumentedOne) {
  device::Context context({.threads = 2});
  for (const float rate : {0.1F, 0.5F, 0.9F, 0.99999F}) {
    const Index rows = 19, cols = 130;
    const Dropout dropout{
        .rate = rate, .seed = (std::uint64_t{7} << 40) + 3, .step = 12, .layer = 4, .vertex_begin = 1000003};
    const auto x = Strided<float>::random(rows, cols, 0, 1, 1, 2);
    Strided<float> y(rows, cols);
    PassMask mask(context, rows, cols);
    dropout_forward(context, x.read(), dropout, y.view(), &mask);
    const float scale = static_cast<float>(1 / (1 - static_cast<double>(rate)));
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) {
        const auto words = base::philox({dropout.seed, base::Purpose::kDropout},
                                        {.step = 12,
                                         .layer = 4,
                                         .vertex = static_cast<std::uint64_t>(1000003 + i),
                                         .word = static_cast<std::uint32_t>(j / 8)});
        const std::uint32_t draw = (words[static_cast<std::size_t>(j % 8 / 2)] >> (16 * (j % 2))) & 0xFFFFU;
        const bool kept = static_cast<double>(draw) >= static_cast<double>(rate) * 65536;
        ASSERT_EQ(mask.test(i, j), kept) << i << ',' << j;
        ASSERT_EQ(y.read()(i, j), kept ? x.read()(i, j) * scale : 0.0F);
      }
  }
}

TEST_P(DropoutOn, BlockEqualsSliceOfWhole) {
  device::Context context({.threads = 2});
  const Index rows = 40, cols = 200;
  const auto x = Strided<float>::random(rows, cols, 0, 1);
  Dropout dropout{.rate = 0.4F, .seed = 5, .step = 1, .layer = 1, .vertex_begin = 70};
  Strided<float> whole(rows, cols);
  dropout_forward(context, x.read(), dropout, whole.view(), nullptr);
  for (const Index col : {0, 8, 24, 64, 1, 7, 63, 65, 131})
    for (const Index width : {1, 8, 41, 69}) {
      const Range r{13, 29}, c{col, std::min(cols, col + width)};
      Strided<float> part(r.size(), c.size(), 2);
      PassMask mask(context, r.size(), c.size());
      dropout.vertex_begin = 70 + r.begin;
      dropout.col_begin = c.begin;
      dropout_forward(context, x.read().middle_rows(r).middle_cols(c), dropout, part.view(), &mask);
      EXPECT_EQ(worst_difference(part.read(), whole.read().middle_rows(r).middle_cols(c)), 0)
          << col << ' ' << width;
      EXPECT_TRUE(part.guards_intact());
      dropout.vertices = {};
    }
}

TEST(Dropout, RowsMayCarryTheirOwnVertices) {
  device::Context context({.threads = 1});
  const auto x = Strided<float>::random(6, 33, 0, 1, 1, 2);
  const std::vector<Index> vertices = {5, 0, Index{1} << 34, 3, 4, 4};
  Strided<float> by_list(6, 33), single(1, 33);
  dropout_forward(context, x.read(), {.rate = 0.5F, .seed = 1, .vertices = vertices}, by_list.view(),
                  nullptr);
  for (Index i = 0; i < 6; ++i) {
    const Dropout one{.rate = 0.5F, .seed = 1, .vertex_begin = vertices[static_cast<std::size_t>(i)]};
    dropout_forward(context, x.read().middle_rows({i, i + 1}), one, single.view(), nullptr);
    EXPECT_EQ(worst_difference(by_list.read().middle_rows({i, i + 1}), single.read()), 0) << i;
  }
}

TEST(Dropout, KeepsTheRightShareAndTheMean) {
  device::Context context({.threads = 2});
  const Index rows = 2000, cols = 128;
  Strided<float> ones(rows, cols), y(rows, cols);
  fill(context, 1.0F, ones.view());
  for (const float rate : {0.1F, 0.5F, 0.8F}) {
    PassMask mask(context, rows, cols);
    dropout_forward(context, ones.read(), {.rate = rate, .seed = 3}, y.view(), &mask);
    Index kept = 0, kept_pairs = 0;
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) {
        kept += mask.test(i, j);
        kept_pairs += j > 0 && mask.test(i, j) && mask.test(i, j - 1);
      }
    const double share = 1 - static_cast<double>(rate), n = static_cast<double>(rows * cols);
    EXPECT_NEAR(static_cast<double>(kept) / n, share, 4 * std::sqrt(share * (1 - share) / n));
    EXPECT_NEAR(static_cast<double>(kept_pairs) / (n * 127 / 128), share * share,
                0.006);  // neighbours are independent
  }
}

TEST(MaskedScale, EqualsReference) {
  device::Context context({.threads = 2});
  for (const Index cols : test::column_counts()) {
    const auto x = Strided<float>::random(50, cols, 3, 1);
    Strided<float> y(50, cols), got(50, cols, 2), expected(50, cols, 2);
    PassMask mask(context, 50, cols);
    dropout_forward(context, x.read(), {.rate = 0.5F, .seed = 8}, y.view(), &mask);
    masked_scale(context, x.read(), mask, 2.0F, got.view());
    ref::masked_scale(context, x.read(), mask, 2.0F, expected.view());
    EXPECT_TRUE(got.same_bits(expected)) << cols;
    EXPECT_EQ(worst_difference(got.read(), y.read()), 0) << cols;
  }
}

TEST(Epilogue, RejectsWhatDoesNotFit) {
  device::Context context({.threads = 1});
  Case c(4, 5, Norm::kLayer, Activation::kRelu, 0);
  Strided<float> y(4, 5), wrong(4, 6);
  PassMask mask(context, 4, 5), wide(context, 4, 65), high(context, 5, 5);
  const auto forward = [&](const Epilogue& e, MatrixView<float> out, PassMask* m) {
    epilogue_forward(context, c.q.read(), e, {}, out, m, nullptr);
  };
  EXPECT_THROW(forward(c.epilogue, wrong.view(), nullptr), base::DimensionMismatch);
  EXPECT_THROW(forward(c.epilogue, y.view(), &wide), base::DimensionMismatch);
  EXPECT_THROW(forward(c.epilogue, y.view(), &high), base::DimensionMismatch);
  Epilogue bad = c.epilogue;
  bad.gamma = bad.gamma.subspan(1);
  EXPECT_THROW(forward(bad, y.view(), nullptr), base::DimensionMismatch);
  bad = c.epilogue;
  bad.bias = bad.bias.subspan(1);
  EXPECT_THROW(forward(bad, y.view(), nullptr), base::DimensionMismatch);
  bad = c.epilogue;
  bad.dropout.rate = 1;
  EXPECT_THROW(forward(bad, y.view(), nullptr), base::InvalidArgument);
  EXPECT_THROW(epilogue_backward(context, c.dy.read(), c.q.read(), c.epilogue, mask, nullptr, y.view(), {}),
               base::InvalidArgument);
  EXPECT_THROW(batch_norm_backward(context, c.q.read(), c.epilogue, c.gamma, c.beta, 4, 4, y.view()),
               base::InvalidArgument);
}

}  // namespace
}  // namespace opx::tensor
