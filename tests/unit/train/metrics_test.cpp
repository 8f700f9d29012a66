// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/metrics.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/random.hpp"

namespace opx::train {
namespace {

using graph::Split;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(RocAuc, ByHandWithTies) {
  // pairs (positive, negative): 0.8 > 0.1, 0.8 > 0.5, 0.5 > 0.1, 0.5 = 0.5 (half)
  EXPECT_DOUBLE_EQ(roc_auc({{0.8F, 1}, {0.5F, 1}, {0.5F, 0}, {0.1F, 0}}), 3.5 / 4);
  EXPECT_DOUBLE_EQ(roc_auc({{1, 1}, {0, 0}}), 1);
  EXPECT_DOUBLE_EQ(roc_auc({{0, 1}, {1, 0}}), 0);
  EXPECT_TRUE(std::isnan(roc_auc({{0, 1}, {1, 1}})));
  EXPECT_TRUE(std::isnan(roc_auc({})));
}

TEST(RocAuc, NanCountsAsTheLeastScore) {
  std::vector<ScoredLabel> pairs;
  for (int i = 0; i < 100; ++i)
    pairs.push_back({i % 3 == 0 ? kNan : static_cast<float>(i), i % 3 == 0 ? 1.0F : 0.0F});
  EXPECT_DOUBLE_EQ(roc_auc(pairs), 0) << "every positive is below every negative";
  for (ScoredLabel& p : pairs) p.score = kNan;
  EXPECT_DOUBLE_EQ(roc_auc(pairs), 0.5) << "all are tied";
}

TEST(RocAuc, EqualsTheCountOfPairs) {
  std::vector<ScoredLabel> pairs;
  for (std::uint32_t i = 0; i < 300; ++i) {
    const auto w = base::philox({1, base::Purpose::kTest}, {.step = i});
    pairs.push_back({static_cast<float>(w[0] % 50), static_cast<float>(w[1] % 3 == 0)});
  }
  double right = 0, all = 0;
  for (const auto& p : pairs)
    for (const auto& n : pairs)
      if (p.positive > n.positive) {
        ++all;
        right += p.score > n.score ? 1 : p.score == n.score ? 0.5 : 0;
      }
  EXPECT_NEAR(roc_auc(pairs), right / all, 1e-12);
}

class Metrics4 : public testing::Test {
 protected:
  device::Context context_{{.threads = 2}};
  std::unique_ptr<comm::Communicator> self_ = comm::self_communicator();
};

TEST_F(Metrics4, MultiClass) {
  // train: truth 0 0 1 2, predicted 0 1 1 0; row 4 is a padded row, row 5 has no label
  const std::vector<float> logits{3, 1, 0, 0, 1, 0, 0, 2, 1, 5, 0, 1, 9, 0, 0, 9, 0, 0};
  const std::vector<std::int32_t> labels{0, 0, 1, 2, -1, -1};
  const std::vector<Split> split{Split::kTrain, Split::kTrain, Split::kTrain,
                                 Split::kTrain, Split::kNone,  Split::kTrain};
  const Truth truth{.task = graph::Task::kMultiClass, .classes = 3, .labels = labels, .split = split};
  const SplitMetrics m = compute_metrics(context_, *self_, truth, {logits.data(), 6, 3}, false);
  EXPECT_DOUBLE_EQ(m[0].at("accuracy"), 0.5);
  EXPECT_DOUBLE_EQ(m[0].at("micro_f1"), 0.5);
  EXPECT_DOUBLE_EQ(m[0].at("macro_f1"), (0.5 + 2.0 / 3 + 0) / 3);
  EXPECT_TRUE(std::isnan(m[2].at("accuracy"))) << "no test vertices";
}

TEST_F(Metrics4, MultiLabel) {
  // row 0: labels {0, 2}, largest two {0, 1}; row 1: label {1} of two known, largest {1}
  const std::vector<float> logits{2, 1, -1, 3, 0.5F, -2};
  const std::vector<float> targets{1, 0, 1, kNan, 1, 0};
  const std::vector<Split> split{Split::kTest, Split::kTest};
  const Truth truth{
      .task = graph::Task::kMultiLabel, .classes = 3, .targets = {targets.data(), 2, 3}, .split = split};
  const SplitMetrics m = compute_metrics(context_, *self_, truth, {logits.data(), 2, 3}, true);
  // threshold: TP 0, TP 1; FP 1 (row 0); FN 2 (row 0)
  EXPECT_DOUBLE_EQ(m[2].at("micro_f1"), 4.0 / 6);
  EXPECT_DOUBLE_EQ(m[2].at("macro_f1"), (1 + 2.0 / 3 + 0) / 3);
  EXPECT_DOUBLE_EQ(m[2].at("micro_f1_topk"), 4.0 / 6);
  // tasks with both classes: 1 (0.5 against 1: wrong) and 2 (-1 against -2: right); task 0 has one class
  EXPECT_DOUBLE_EQ(m[2].at("rocauc"), 0.5);
}

TEST_F(Metrics4, RocAucIsTheMeanOverTasksForAnyNumberOfThreads) {
  constexpr Index kRows = 101, kTasks = 7;
  std::vector<float> logits, targets;
  for (Index i = 0; i < kRows * kTasks; ++i) {
    logits.push_back(static_cast<float>((i * 7919) % 311));
    targets.push_back(i % kTasks == 3 ? 1.0F
                                      : static_cast<float>((i * 104729) % 13 < 5));  // task 3: one class
  }
  const std::vector<Split> split(kRows, Split::kTest);
  const Truth truth{.task = graph::Task::kMultiLabel,
                    .classes = kTasks,
                    .targets = {targets.data(), kRows, kTasks},
                    .split = split};
  double sum = 0;
  for (Index t = 0; t < kTasks; ++t) {
    if (t == 3) continue;
    std::vector<ScoredLabel> pairs;
    for (Index i = 0; i < kRows; ++i) {
      const auto at = static_cast<std::size_t>(i * kTasks + t);
      pairs.push_back({logits[at], targets[at]});
    }
    sum += roc_auc(pairs);
  }
  for (const int threads : {1, 2, 3, 16}) {
    device::Context context({.threads = threads});
    const SplitMetrics m = compute_metrics(context, *self_, truth, {logits.data(), kRows, kTasks}, true);
    EXPECT_EQ(m[2].at("rocauc"), sum / 6) << threads << " threads";
  }
}

TEST_F(Metrics4, BinaryRocAucOfTwoClasses) {
  const std::vector<float> logits{0, 1, 0, -1, 0, 2};
  const std::vector<std::int32_t> labels{1, 0, 0};
  const std::vector<Split> split(3, Split::kValid);
  const Truth truth{.task = graph::Task::kMultiClass, .classes = 2, .labels = labels, .split = split};
  EXPECT_DOUBLE_EQ(compute_metrics(context_, *self_, truth, {logits.data(), 3, 2}, true)[1].at("rocauc"),
                   0.5);
}

TEST(ResolveMetric, FitsTheTask) {
  graph::StoreInfo info;
  info.name = "x";
  EXPECT_THROW((void)resolve_metric("auto", info), base::InputError);
  info.task = graph::Task::kMultiClass;
  info.classes = 5;
  EXPECT_EQ(resolve_metric("auto", info), "accuracy");
  EXPECT_EQ(resolve_metric("macro_f1", info), "macro_f1");
  EXPECT_THROW((void)resolve_metric("rocauc", info), base::InvalidArgument);
  EXPECT_THROW((void)resolve_metric("micro_f1_topk", info), base::InvalidArgument);
  EXPECT_THROW((void)resolve_metric("acuracy", info), base::InvalidArgument);
  info.task = graph::Task::kMultiLabel;
  EXPECT_EQ(resolve_metric("auto", info), "micro_f1");
  EXPECT_THROW((void)resolve_metric("accuracy", info), base::InvalidArgument);
  info.metric = "rocauc";
  EXPECT_EQ(resolve_metric("auto", info), "rocauc");
  info.metric = "f1";
  EXPECT_EQ(resolve_metric("auto", info), "micro_f1");
}

}  // namespace
}  // namespace opx::train
