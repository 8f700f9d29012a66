// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Losses of 20 epochs and the first gradients against PyTorch's (README.md beside this file has formats and
// tolerances).
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/memory_store.hpp"
#include "support/ranks.hpp"
#include "train/trainer.hpp"

namespace opx::train {
namespace {

using Json = nlohmann::json;
constexpr double kTolerance = 1e-4;

std::ifstream open(const std::string& file) {
  std::ifstream in(std::string(OPX_GOLDEN_DATA) + "/" + file);
  if (!in) throw base::InputError("no golden file " + file);
  return in;
}

Json load(const std::string& file) { return Json::parse(open(file)); }

std::vector<std::vector<std::string>> table(const std::string& file) {
  std::ifstream in = open(file);
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(in, line);) {
    rows.emplace_back();
    std::stringstream fields(line);
    for (std::string field; std::getline(fields, field, ',');) rows.back().push_back(field);
    if (!line.empty() && line.back() == ',') rows.back().emplace_back();
  }
  return rows;
}

test::Dense numbers(const std::string& file) {
  const auto rows = table(file);
  test::Dense out(static_cast<Index>(rows.size()), static_cast<Index>(rows.front().size()));
  std::size_t at = 0;
  for (const auto& row : rows)
    for (const auto& field : row)
      out.data.at(at++) = field.empty() ? std::numeric_limits<double>::quiet_NaN() : std::stod(field);
  return out;
}

test::MemoryStore store_of(const Json& item) {
  std::ifstream in = open(item.at("graph").get<std::string>() + "-edges.txt");
  std::vector<test::Entry> entries;
  for (Index src = 0, dst = 0; in >> src >> dst;) entries.push_back({dst, src});
  const test::Dense features = numbers("features.csv");
  test::MemoryStore store(features.rows, entries);
  store.set_features(features);
  if (item.at("loss") == "bce") {
    store.set_targets(numbers("targets.csv"));
  } else {
    std::vector<std::int32_t> labels;
    for (const auto& row : table("labels.csv")) labels.push_back(std::stoi(row.front()));
    store.set_labels(labels, 4);
  }
  std::vector<graph::Split> splits;
  for (const auto& row : table("split.csv"))
    splits.push_back(row.front() == "train"   ? graph::Split::kTrain
                     : row.front() == "valid" ? graph::Split::kValid
                                              : graph::Split::kTest);
  store.set_splits(splits);
  return store;
}

RunConfig config_of(const Json& item) {
  RunConfig config;
  config.model.kind = item.at("model").get<std::string>();
  config.model.hidden = {12};
  config.model.dropout = 0;
  config.model.norm = item.at("norm").get<std::string>();
  config.model.residual = item.at("residual").get<bool>();
  config.model.normalisation = item.at("normalisation").get<std::string>();
  config.model.self_loops = item.at("self_loops").get<bool>();
  const Json& optimizer = item.at("optimizer");
  config.optimizer.kind = optimizer.at("kind").get<std::string>();
  config.optimizer.learning_rate = optimizer.at("learning_rate").get<double>();
  config.optimizer.weight_decay = optimizer.at("weight_decay").get<double>();
  config.optimizer.momentum = optimizer.value("momentum", 0.0);
  config.epochs = static_cast<int>(item.at("losses").size());
  return config;
}

void set_weights(Trainer& trainer, const Json& weights) {
  model::Parameters& parameters = trainer.network().parameters();
  for (const auto& entry : parameters.entries()) {
    if (!entry.spec.trained) continue;
    const auto values = weights.at(entry.spec.name).at("values").get<std::vector<float>>();
    const auto to = parameters.value(entry);
    ASSERT_EQ(static_cast<Index>(values.size()), to.size()) << entry.spec.name;
    std::copy(values.begin(), values.end(), to.data);
  }
}

void expect_gradients(Trainer& trainer, const Json& golden) {
  double largest = 0;
  for (const auto& [name, values] : golden.items())
    for (const double g : values.get<std::vector<double>>()) largest = std::max(largest, std::abs(g));
  model::Parameters& parameters = trainer.network().parameters();
  for (const auto& [name, values] : golden.items()) {
    const auto got = parameters.gradient(name);
    const auto want = values.get<std::vector<double>>();
    ASSERT_EQ(static_cast<Index>(want.size()), got.size()) << name;
    for (std::size_t i = 0; i < want.size(); ++i)
      ASSERT_NEAR(static_cast<double>(got.data[i]), want[i], kTolerance * largest) << name << " " << i;
  }
}

class Golden : public testing::TestWithParam<Json> {};

TEST_P(Golden, LossesAndGradientsEqualPyTorch) {
  const Json& item = GetParam();
  const test::MemoryStore store = store_of(item);
  const Json weights = load("weights.json").at(item.at("model").get<std::string>());
  const RunConfig config = config_of(item);
  test::for_each_world({1, 4}, [&](comm::Communicator& world) {
    device::Context context({.threads = 1});
    parallel::ProcessGrid grid(
        world, world.size() == 4 ? layout::Grid{2, 1, 2, 1} : layout::tensor_grids(world.size()).back());
    Trainer trainer(context, grid, store, config);
    set_weights(trainer, weights);
    (void)trainer.gradients(0);
    expect_gradients(trainer, item.at("gradients"));
    int epoch = 0;
    for (const double want : item.at("losses").get<std::vector<double>>()) {
      const double loss = trainer.step(epoch).loss;
      ASSERT_NEAR(loss, want, kTolerance * std::abs(want)) << "epoch " << epoch;
      ++epoch;
    }
  });
}

std::vector<Json> cases() { return load("cases.json").get<std::vector<Json>>(); }

std::string case_name(const testing::TestParamInfo<Json>& info) {
  std::string name = info.param.at("name").get<std::string>();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(PyTorch, Golden, testing::ValuesIn(cases()), case_name);

}  // namespace
}  // namespace opx::train
