// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/run_report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace opx::cli {

using Json = nlohmann::ordered_json;

std::string metric_text(const train::Metrics& metrics, const std::string& metric) {
  auto found = metrics.find(metric);
  if (found == metrics.end()) found = metrics.begin();
  return found == metrics.end() ? "" : fmt::format("{} {:.4f}", found->first, found->second);
}

std::string all_metrics_text(const train::Metrics& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics)
    text += fmt::format("{}{} {:.4f}", text.empty() ? "" : "  ", name, value);
  return text;
}

std::string epoch_line(const train::EpochReport& report) {
  std::string line = fmt::format("epoch {}/{} loss {:.4f}", report.epoch, report.epochs, report.loss);
  if (report.evaluated && !report.valid.empty()) line += " valid " + metric_text(report.valid, report.metric);
  return line;
}

namespace {

std::string target_text(const train::TrainResult& result) {
  if (result.target_metric <= 0) return "";
  if (result.target_epoch < 0) return "not reached";
  return fmt::format("epoch {}, {} of training", result.target_epoch,
                     base::format_duration(result.target_seconds));
}

}  // namespace

std::string train_text(const train::TrainResult& result) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<26} {}\n", name, value);
  };
  line("epochs", fmt::format("{} in {}, median {:.4g} s", result.epochs_done,
                             base::format_duration(result.seconds), result.median_epoch_seconds));
  line("time", fmt::format("training {}, evaluation {}", base::format_duration(result.train_seconds),
                           base::format_duration(result.evaluate_seconds)));
  line(fmt::format("target {} {:.4g}", result.metric, result.target_metric), target_text(result));
  line("parameters", base::format_count(result.parameters));
  line("training loss", fmt::format("{:.6f}", result.final_loss));
  line("valid, last epoch", all_metrics_text(result.last_valid));
  line("test, last epoch", all_metrics_text(result.last_test));
  if (result.best_epoch >= 0) {
    line(fmt::format("valid, best epoch {}", result.best_epoch), all_metrics_text(result.best_valid));
    line(fmt::format("test, best valid epoch {}", result.best_epoch), all_metrics_text(result.best_test));
  }
  line("peak memory of rank 0",
       fmt::format("{} (model of mode {}: {})", base::format_bytes(static_cast<double>(result.peak_memory)),
                   result.mode, base::format_bytes(static_cast<double>(result.modelled_memory))));
  line("run directory", result.run_dir.string());
  line("checkpoint", result.last_checkpoint.string());
  return text;
}

Json train_json(const train::TrainResult& result) {
  Json json = {
      {"epochs_done", result.epochs_done},
      {"final_loss", result.final_loss},
      {"metric", result.metric},
      {"last", {{"valid", result.last_valid}, {"test", result.last_test}}},
      {"best", {{"epoch", result.best_epoch}, {"valid", result.best_valid}, {"test", result.best_test}}},
      {"parameters", result.parameters},
      {"seconds", result.seconds},
      {"median_epoch_seconds", result.median_epoch_seconds},
      {"train_seconds", result.train_seconds},
      {"evaluate_seconds", result.evaluate_seconds},
      {"peak_memory", result.peak_memory},
      {"modelled_memory", result.modelled_memory},
      {"run_dir", result.run_dir.string()},
      {"checkpoint", result.last_checkpoint.string()}};
  if (result.target_metric <= 0) return json;
  json["target"] = {{"value", result.target_metric}, {"epoch", nullptr}, {"seconds", nullptr}};
  if (result.target_epoch >= 0)
    json["target"]["epoch"] = result.target_epoch, json["target"]["seconds"] = result.target_seconds;
  return json;
}

std::string eval_text(const train::EvalResult& result) {
  return fmt::format("train  loss {:.4f}  {}\nvalid  loss {:.4f}  {}\ntest   loss {:.4f}  {}\n",
                     result.train_loss, all_metrics_text(result.train), result.valid_loss,
                     all_metrics_text(result.valid), result.test_loss, all_metrics_text(result.test));
}

Json eval_json(const train::EvalResult& result) {
  return {{"train", {{"loss", result.train_loss}, {"metrics", result.train}}},
          {"valid", {{"loss", result.valid_loss}, {"metrics", result.valid}}},
          {"test", {{"loss", result.test_loss}, {"metrics", result.test}}}};
}

}  // namespace opx::cli
