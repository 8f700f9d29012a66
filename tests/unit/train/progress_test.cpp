// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/progress.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "train/journal.hpp"

namespace opx::train {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Progress, KeepsTheFirstBestAndCountsSince) {
  Progress p;
  const auto record = [&](int epoch, double valid, double test) {
    p.epochs_done = epoch;
    p.record("accuracy", {{"accuracy", valid}}, {{"accuracy", test}});
  };
  record(1, kNan, 0.1);
  EXPECT_EQ(p.best_epoch, -1);
  record(2, 0.5, 0.4);
  record(3, 0.5, 0.9);
  record(4, 0.4, 0.8);
  EXPECT_EQ(p.best_epoch, 2);
  EXPECT_EQ(p.evaluations_since_best, 2);
  EXPECT_EQ(p.best_test.at("accuracy"), 0.4);
  EXPECT_EQ(p.last_test.at("accuracy"), 0.8);
}

TEST(Progress, SurvivesJsonBitForBit) {
  Progress p;
  p.epochs_done = 7;
  p.loss = 1.0 / 3;
  p.train_seconds = 1.0 / 7, p.evaluate_seconds = 0.3;
  p.best_epoch = 5;
  p.best_value = 0.1;
  p.best_test = {{"accuracy", 2.0 / 7}, {"macro_f1", kNan}};
  const Progress q = progress_from_json(to_json(p), "file");
  EXPECT_EQ(q.loss, p.loss);
  EXPECT_EQ(q.train_seconds, p.train_seconds);
  EXPECT_EQ(q.evaluate_seconds, p.evaluate_seconds);
  EXPECT_EQ(q.best_value, p.best_value);
  EXPECT_EQ(q.best_test.at("accuracy"), 2.0 / 7);
  EXPECT_TRUE(std::isnan(q.best_test.at("macro_f1")));
  EXPECT_THROW((void)progress_from_json("{}", "file"), base::FormatError);
  EXPECT_THROW((void)progress_from_json("not json", "file"), base::FormatError);
}

TEST(EpochJson, NanIsNullAndEvaluationIsOptional) {
  EpochReport r;
  r.epoch = 3;
  r.loss = 0.5;
  const std::string bare = to_json(r);
  EXPECT_NE(bare.find("\"epoch\":3"), std::string::npos);
  EXPECT_EQ(bare.find("valid"), std::string::npos);
  r.evaluated = true;
  r.valid = {{"accuracy", kNan}};
  EXPECT_NE(to_json(r).find("\"valid\":{\"accuracy\":null}"), std::string::npos);
  EXPECT_EQ(to_json(r).find("target"), std::string::npos);
  r.target_epoch = 2, r.target_seconds = 0.25;
  EXPECT_NE(to_json(r).find("\"target_epoch\":2,\"target_seconds\":0.25"), std::string::npos);
}

}  // namespace
}  // namespace opx::train
