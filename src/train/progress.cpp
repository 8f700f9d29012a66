// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/progress.hpp"

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace opx::train {
namespace {

using Json = nlohmann::ordered_json;

double number(const Json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

Metrics metrics(const Json& object) {
  Metrics out;
  for (const auto& [key, value] : object.items()) out[key] = number(value);
  return out;
}

Json to_object(const EpochSums& e) {
  const BatchCounts& c = e.counts;
  return {{"steps", e.steps},
          {"loss", e.loss},
          {"updates", e.updates},
          {"weight", e.weight},
          {"norm", e.norm},
          {"seconds", e.seconds},
          {"counts",
           {c.sub_batches, c.vertices, c.sampled_degree, c.measured_rows, c.isolated_rows, c.skipped_steps,
            c.degree_rows}}};
}

EpochSums epoch_sums(const Json& json) {
  EpochSums e;
  e.steps = json.at("steps").get<Index>();
  e.loss = number(json.at("loss"));
  e.updates = json.at("updates").get<Index>();
  e.weight = number(json.at("weight"));
  e.norm = number(json.at("norm"));
  e.seconds = number(json.at("seconds"));
  const Json& c = json.at("counts");
  const auto at = [&](std::size_t i) { return c.at(i).get<Index>(); };
  e.counts = {at(0), at(1), at(2), at(3), at(4), at(5)};
  e.counts.degree_rows =
      c.size() > 6 ? at(6) : e.counts.vertices;  // earlier versions had rows of all vertices
  return e;
}

}  // namespace

void Progress::record(const std::string& metric, const Metrics& valid, const Metrics& test) {
  last_valid = valid;
  last_test = test;
  const auto it = valid.find(metric);
  const double value = it == valid.end() ? std::numeric_limits<double>::quiet_NaN() : it->second;
  if (std::isnan(value) || (best_epoch >= 0 && value <= best_value)) {
    ++evaluations_since_best;
    return;
  }
  best_epoch = epochs_done;
  best_value = value;
  best_valid = valid;
  best_test = test;
  evaluations_since_best = 0;
}

std::string to_json(const Progress& p) {
  const Json json = {{"epochs_done", p.epochs_done},
                     {"loss", p.loss},
                     {"epoch", to_object(p.epoch)},
                     {"train_seconds", p.train_seconds},
                     {"evaluate_seconds", p.evaluate_seconds},
                     {"target_epoch", p.target_epoch},
                     {"target_seconds", p.target_seconds},
                     {"best_epoch", p.best_epoch},
                     {"best_value", p.best_value},
                     {"evaluations_since_best", p.evaluations_since_best},
                     {"best_valid", p.best_valid},
                     {"best_test", p.best_test},
                     {"last_valid", p.last_valid},
                     {"last_test", p.last_test}};
  return json.dump();
}

Progress progress_from_json(std::string_view text, const std::string& file) {
  try {
    const Json json = Json::parse(text);
    Progress p;
    p.epochs_done = json.at("epochs_done").get<int>();
    p.loss = number(json.at("loss"));
    if (json.contains("epoch")) {  // not in checkpoints of earlier versions
      p.epoch = epoch_sums(json.at("epoch"));
      p.train_seconds = number(json.at("train_seconds"));
      p.target_epoch = json.at("target_epoch").get<int>();
      p.target_seconds = number(json.at("target_seconds"));
    }
    if (json.contains("evaluate_seconds")) p.evaluate_seconds = number(json.at("evaluate_seconds"));
    p.best_epoch = json.at("best_epoch").get<int>();
    p.best_value = number(json.at("best_value"));
    p.evaluations_since_best = json.at("evaluations_since_best").get<int>();
    p.best_valid = metrics(json.at("best_valid"));
    p.best_test = metrics(json.at("best_test"));
    p.last_valid = metrics(json.at("last_valid"));
    p.last_test = metrics(json.at("last_test"));
    return p;
  } catch (const nlohmann::json::exception& e) {
    throw base::FormatError(file, "attribute 'progress'", e.what());
  }
}

}  // namespace opx::train
