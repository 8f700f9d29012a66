// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/journal.hpp"

#include <ctime>
#include <span>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "train/durable.hpp"
#include "train/gather.hpp"
#include "train/options.hpp"

namespace opx::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// The lines of a resumed run's metrics up to `epochs_done`; a line that was cut by a crash is dropped.
std::string kept_lines(const fs::path& file, int epochs_done) {
  std::ifstream in(file);
  std::string line, kept;
  while (std::getline(in, line)) {
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_object() && json.value("epoch", epochs_done + 1) <= epochs_done) kept += line + "\n";
  }
  return kept;
}

}  // namespace

fs::path choose_run_dir(const RunConfig& config) {
  if (!config.run_dir.empty()) return config.run_dir;
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  return fs::path("runs") / fmt::format("{}-{:04}{:02}{:02}-{:02}{:02}{:02}",
                                        fs::path(config.dataset).stem().string(), utc.tm_year + 1900,
                                        utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string to_json(const EpochReport& r) {
  Json json = {{"epoch", r.epoch},
               {"epochs", r.epochs},
               {"loss", r.loss},
               {"learning_rate", r.learning_rate},
               {"gradient_norm", r.gradient_norm},
               {"seconds", r.seconds}};
  if (r.evaluated) {
    json["evaluate_seconds"] = r.evaluate_seconds;
    json["valid_loss"] = r.valid_loss;
    json["train"] = r.train;
    json["valid"] = r.valid;
    json["test"] = r.test;
    if (r.target_epoch >= 0) json["target_epoch"] = r.target_epoch, json["target_seconds"] = r.target_seconds;
  }
  if (r.mini) {
    json["steps"] = r.steps;
    json["skipped_steps"] = r.skipped_steps;
    json["sub_batches"] = r.sub_batches;
    json["vertices"] = r.vertices;
    json["vertices_per_second"] = r.vertices_per_second;
    json["mean_in_batch_degree"] = r.mean_degree;
    json["share_without_neighbours"] = r.isolated_share;
  }
  json["seconds_by_phase"] = r.seconds_by_phase;
  json["seconds_by_collective"] = r.seconds_by_collective;
  json["bytes_by_axis"] = r.bytes_by_axis;
  json["peak_memory"] = r.peak_memory;
  return json.dump();
}

Journal::Journal(fs::path folder, const RunConfig& config, int epochs_done) : folder_(std::move(folder)) {
  make_folders(folder_);
  replace_file(folder_ / "config.toml", to_toml(config));
  const fs::path file = folder_ / "metrics.jsonl";
  replace_file(file, epochs_done > 0 ? kept_lines(file, epochs_done) : std::string());
  metrics_.open(file, std::ios::app);
  OPX_REQUIRE(metrics_.good(), ResourceError, "cannot write {}", file.string());
}

void Journal::append(const EpochReport& report) {
  metrics_ << to_json(report) << '\n' << std::flush;
  OPX_REQUIRE(metrics_.good(), ResourceError, "cannot write {}: disk full?",
              (folder_ / "metrics.jsonl").string());
}

void write_trace(comm::Communicator& world, const base::TraceWriter& mine, const fs::path& file) {
  const std::string fragment = mine.json_fragment();
  std::vector<Index> counts;
  const std::vector<char> all =
      gather_to_root(world, std::span<const char>(fragment), comm::CommPurpose::kOther, &counts);
  RootWork root(world);
  root.run([&] {
    std::string text = "{\"traceEvents\":[";
    std::size_t at = 0;
    bool first = true;
    for (const Index n : counts) {
      const std::string_view part(all.data() + at, static_cast<std::size_t>(n));
      at += part.size();
      if (part.empty()) continue;
      if (!first) text += ",\n";
      text += part;
      first = false;
    }
    write_durable(file, text + "]}\n");
  });
  root.agree();
}

}  // namespace opx::train
