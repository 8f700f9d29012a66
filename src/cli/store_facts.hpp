// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Facts that `info` prints about a store: names, and all of it as JSON.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "graph/info.hpp"

namespace opx::cli {

[[nodiscard]] std::string_view task_name(graph::Task task) noexcept;
[[nodiscard]] std::string_view feature_type_name(graph::FeatureType type) noexcept;

[[nodiscard]] nlohmann::ordered_json store_json(const graph::StoreInfo& info,
                                                const graph::DegreeSummary& degrees);

}  // namespace opx::cli
