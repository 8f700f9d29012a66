// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory plan of a run on GPUs, as `orthoplex info` shows it.
#pragma once

#include <cstdint>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "graph/store.hpp"
#include "layout/grid.hpp"
#include "train/config.hpp"

namespace opx::cli {

/// Bytes of the GPU that a plan is for: `given` ("80GiB"), or those of GPU 0, or 0 where there is none.
/// Throws NotCompiled for device gpu-host where the build does not have it.
[[nodiscard]] std::int64_t gpu_memory_of(const std::string& device, const std::string& given);

/// A line for every component of the plan, whether it fits `memory` (0: unknown), and what would help; the
/// same under json["gpu"][mode].
void add_gpu_plan(const graph::StoreInfo& info, const layout::Grid& grid, const train::RunConfig& config,
                  std::int64_t memory, nlohmann::ordered_json& json, std::string& text);

}  // namespace opx::cli
