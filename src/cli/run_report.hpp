// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What train, eval and bench say about a run, as text and as JSON.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "train/session.hpp"

namespace opx::cli {

/// "epoch 12/200 loss 0.5321 valid accuracy 0.7810".
[[nodiscard]] std::string epoch_line(const train::EpochReport& report);
/// The headline value of a metric set: `metric` where it is there, else the first one; "accuracy 0.7810".
[[nodiscard]] std::string metric_text(const train::Metrics& metrics, const std::string& metric);
[[nodiscard]] std::string all_metrics_text(const train::Metrics& metrics);

[[nodiscard]] std::string train_text(const train::TrainResult& result);
[[nodiscard]] nlohmann::ordered_json train_json(const train::TrainResult& result);
[[nodiscard]] std::string eval_text(const train::EvalResult& result);
[[nodiscard]] nlohmann::ordered_json eval_json(const train::EvalResult& result);

}  // namespace opx::cli
