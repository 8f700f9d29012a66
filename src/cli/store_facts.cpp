// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/store_facts.hpp"

#include <nlohmann/json.hpp>

namespace opx::cli {

std::string_view task_name(graph::Task task) noexcept {
  switch (task) {
    case graph::Task::kNone:
      return "none";
    case graph::Task::kMultiClass:
      return "multi-class";
    case graph::Task::kMultiLabel:
      return "multi-label";
  }
  return "unknown";
}

std::string_view feature_type_name(graph::FeatureType type) noexcept {
  switch (type) {
    case graph::FeatureType::kFloat32:
      return "fp32";
    case graph::FeatureType::kFloat16:
      return "fp16";
    case graph::FeatureType::kBfloat16:
      return "bf16";
  }
  return "unknown";
}

nlohmann::ordered_json store_json(const graph::StoreInfo& info, const graph::DegreeSummary& d) {
  return {{"name", info.name},
          {"vertices", info.vertices},
          {"edges", info.edges},
          {"self_loops", info.self_loops},
          {"symmetric", info.symmetric},
          {"weighted", info.weighted},
          {"degrees",
           {{"min", d.min},
            {"mean", d.mean},
            {"median", d.median},
            {"p99", d.p99},
            {"max", d.max},
            {"isolated", d.isolated}}},
          {"feature_dim", info.feature_dim},
          {"feature_type", feature_type_name(info.feature_type)},
          {"task", task_name(info.task)},
          {"classes", info.classes},
          {"metric", info.metric},
          {"splits", {{"train", info.train}, {"valid", info.valid}, {"test", info.test}}},
          {"placement",
           {{"deal", layout::name(info.deal)},
            {"order", layout::name(info.order)},
            {"virtual_blocks", info.virtual_blocks},
            {"seed", info.seed},
            {"tiles_per_side", info.tiles_per_side},
            {"parts", info.parts}}},
          {"checksum", info.checksum}};
}

}  // namespace opx::cli
