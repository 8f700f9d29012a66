// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/same_run.hpp"

#include <vector>

#include <fmt/format.h>

#include "base/error.hpp"
#include "layout/grid.hpp"

namespace opx::train {

namespace {

std::string widths_of(const ModelConfig& model) {
  const auto hidden = static_cast<std::size_t>(model.layers - 1);
  const std::vector<int> widths =
      model.hidden.size() == 1 ? std::vector<int>(hidden, model.hidden.front()) : model.hidden;
  return fmt::format("{} ({})", model.layers, fmt::join(widths, ", "));
}

std::string features_of(const ModelConfig& model) {
  return model.features == "learned" ? fmt::format("{} learned", model.feature_dim)
                                     : fmt::format("given (norm {})", model.feature_norm);
}

std::string batch_of(const MiniConfig& mini) {
  return mini.batch_size > 0 ? fmt::format("{} vertices", mini.batch_size)
                             : fmt::format("a ratio of {}", mini.batch_ratio);
}

std::string step_of(const RunConfig& config) {
  const int replicas = layout::parse_grid(config.grid).gd;
  return fmt::format("{} sub-batches", replicas * config.mini.accumulate);
}

std::string details_of(const MiniConfig& mini) {
  if (mini.sampler == "train")
    return fmt::format("a hub share of {} and a train share of {}", mini.hub_share, mini.train_share);
  if (mini.sampler != "saint-walk") return "none";
  return fmt::format("walks of {} with {} presamples", mini.walk_length, mini.presamples);
}

}  // namespace

void check_same_run(const RunConfig& before, const RunConfig& now, const std::filesystem::path& checkpoint) {
  const auto same = [&](const char* what, const std::string& was, const std::string& is) {
    OPX_REQUIRE(was == is, InvalidArgument,
                "checkpoint {} was made with {} {}, this run has {}: it would not be the same run",
                checkpoint.string(), what, was, is);
  };
  same("model", before.model.kind, now.model.kind);
  same("layers (hidden widths):", widths_of(before.model), widths_of(now.model));
  same("norm", before.model.norm, now.model.norm);
  same("residual", fmt::format("{}", before.model.residual), fmt::format("{}", now.model.residual));
  same("normalisation", before.model.normalisation, now.model.normalisation);
  same("self loops", fmt::format("{}", before.model.self_loops), fmt::format("{}", now.model.self_loops));
  same("features", features_of(before.model), features_of(now.model));
  same("mode", before.mode, now.mode);
  if (now.mode != "mini") return;
  same("sampler", before.mini.sampler, now.mini.sampler);
  same("batches of", batch_of(before.mini), batch_of(now.mini));
  same("estimator", before.mini.estimator, now.mini.estimator);
  same("sampler details:", details_of(before.mini), details_of(now.mini));
  same("first aggregation", before.model.first_aggregation, now.model.first_aggregation);
  same("steps of", step_of(before), step_of(now));
}

}  // namespace opx::train
