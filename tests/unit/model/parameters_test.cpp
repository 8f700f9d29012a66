// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "model/parameters.hpp"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace opx::model {
namespace {

using testing::ElementsAre;

std::vector<std::string> names(const ModelSpec& spec) {
  std::vector<std::string> out;
  for (const ParameterSpec& p : parameter_specs(spec)) out.push_back(p.name);
  return out;
}

TEST(ParameterSpecs, NamesOfEachKind) {
  EXPECT_THAT(names({.kind = Kind::kGcn, .widths = {4, 5, 3}}),
              ElementsAre("layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"));
  EXPECT_THAT(names({.kind = Kind::kSage, .widths = {4, 3}}),
              ElementsAre("layers.0.weight_self", "layers.0.weight_neigh", "layers.0.bias"));
  EXPECT_THAT(names({.kind = Kind::kGin, .widths = {4, 3}}),
              ElementsAre("layers.0.eps", "layers.0.mlp.0.weight", "layers.0.mlp.0.bias",
                          "layers.0.mlp.1.weight", "layers.0.mlp.1.bias"));
  EXPECT_THAT(names({.kind = Kind::kGcn, .widths = {4, 5, 3}, .norm = tensor::Norm::kBatch}),
              ElementsAre("layers.0.weight", "layers.0.bias", "layers.0.norm.gamma", "layers.0.norm.beta",
                          "layers.0.norm.running_mean", "layers.0.norm.running_var", "layers.1.weight",
                          "layers.1.bias"));
}

TEST(Parameters, GlorotIsUniformWithItsBoundAndFollowsTheSeed) {
  device::Context context({.threads = 1});
  const ModelSpec spec{.widths = {300, 200}, .seed = 1};
  Parameters a(context, spec), b(context, spec), c(context, {.widths = {300, 200}, .seed = 2});
  const auto w = a.value("layers.0.weight");
  const double bound = std::sqrt(6.0 / 500);
  double sum = 0, square = 0;
  for (Index i = 0; i < w.size(); ++i) {
    ASSERT_LE(std::abs(static_cast<double>(w.data[i])), bound);
    ASSERT_EQ(w.data[i], b.value("layers.0.weight").data[i]);
    sum += static_cast<double>(w.data[i]);
    square += static_cast<double>(w.data[i]) * static_cast<double>(w.data[i]);
  }
  const double n = static_cast<double>(w.size());
  EXPECT_NEAR(sum / n, 0, 4 * bound / std::sqrt(3 * n));
  EXPECT_NEAR(square / n, bound * bound / 3, 0.02 * bound * bound / 3);
  EXPECT_NE(w.data[0], c.value("layers.0.weight").data[0]);
  EXPECT_EQ(a.count(), 300 * 200 + 200);
  EXPECT_EQ(a.gradients().size(), 300U * 200U + 200U);
  EXPECT_EQ(a.value("layers.0.bias").data[199], 0.0F);
}

TEST(Parameters, UnknownNamesAreErrors) {
  device::Context context({.threads = 1});
  Parameters p(context, {.widths = {3, 2, 2}, .norm = tensor::Norm::kBatch});
  EXPECT_THROW((void)p.value("layers.9.weight"), base::InternalError);
  EXPECT_THROW((void)p.gradient("layers.0.norm.running_mean"), base::InternalError);
  EXPECT_THROW((void)parse_kind("gnc"), base::InvalidArgument);
  EXPECT_THROW((void)parse_norm("batchnorm"), base::InvalidArgument);
  EXPECT_THROW((void)parse_order("first"), base::InvalidArgument);
}

TEST(LearnedFeatures, DependOnTheVertexAlone) {
  device::Context context({.threads = 2});
  std::vector<float> a(3 * 10), b(2 * 10);
  const std::vector<Index> ids{7, -1, 9}, other{9, 7};
  initialise_learned_features(context, 3, ids, {a.data(), 3, 10});
  initialise_learned_features(context, 3, other, {b.data(), 2, 10});
  for (std::size_t j = 0; j < 10; ++j) {
    EXPECT_EQ(a[j], b[10 + j]);
    EXPECT_EQ(a[20 + j], b[j]);
    EXPECT_EQ(a[10 + j], 0.0F);
  }
  EXPECT_NE(a[0], a[20]);
}

}  // namespace
}  // namespace opx::model
