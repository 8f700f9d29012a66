// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/gpu_plan.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "device/gpu/device.hpp"
#include "train/gpu_memory.hpp"
#include "train/network.hpp"

namespace opx::cli {
namespace {

std::string size_text(std::int64_t bytes) { return base::format_bytes(static_cast<double>(bytes)); }

std::string heading(const layout::Grid& grid, const train::RunConfig& config,
                    const train::GpuMemoryPlan& plan) {
  const std::string what = config.mode == "mini"
                               ? fmt::format("batches of {} rows", base::format_count(plan.batch_rows))
                               : std::string("the full graph");
  return fmt::format("memory of a rank's GPU, mode {} ({}), grid {}, {} layers of {} (model):\n", config.mode,
                     what, layout::to_string(grid), config.model.layers, fmt::join(config.model.hidden, ","));
}

std::string verdict(const train::GpuMemoryPlan& plan, std::int64_t memory) {
  if (memory == 0) return "  no GPU here: --gpu-memory 80GiB says whether it fits\n";
  return plan.total() <= memory ? fmt::format("  fits a GPU of {}: {} stay free\n", size_text(memory),
                                              size_text(memory - plan.total()))
                                : fmt::format("  does not fit a GPU of {}: {} too much\n", size_text(memory),
                                              size_text(plan.total() - memory));
}

}  // namespace

std::int64_t gpu_memory_of(const std::string& device, const std::string& given) {
  const std::string_view runtime = device::gpu::runtime_name();
  OPX_REQUIRE(device != "gpu-host" || runtime == "host", NotCompiled,
              "device 'gpu-host': this build has {}; the plan of a GPU is --device cuda in every build",
              runtime == "none" ? "no GPU backend" : fmt::format("the GPU runtime '{}'", runtime));
  if (!given.empty()) return base::parse_bytes(given, "--gpu-memory");
  const bool here = device == (runtime == "host" ? "gpu-host" : "cuda") && device::gpu::count() > 0;
  return here ? static_cast<std::int64_t>(device::gpu::properties(0).memory_total) : 0;
}

void add_gpu_plan(const graph::StoreInfo& info, const layout::Grid& grid, const train::RunConfig& config,
                  std::int64_t memory, nlohmann::ordered_json& json, std::string& text) {
  const Index input = config.model.features == "learned" ? config.model.feature_dim : info.feature_dim;
  const train::GpuMemoryPlan plan = train::plan_gpu_memory(
      info, grid, config, train::make_spec(config, input, std::max<Index>(info.classes, 1)));
  nlohmann::ordered_json& out = json["gpu"][config.mode];
  const auto line = [&](const char* where, const std::string& name, std::int64_t bytes) {
    text += fmt::format("  {:<50} {}\n", name, size_text(bytes));
    out[where][name] = bytes;
  };
  text += heading(grid, config, plan);
  for (const train::MemoryComponent& c : plan.device) line("device", c.name, c.bytes);
  line("device", "reserve", plan.reserve);
  line("device", "total", plan.total());
  text += verdict(plan, memory);
  if (memory > 0) out["memory"] = memory, out["fits"] = plan.total() <= memory;
  for (const train::MemoryRemedy& r : train::memory_remedies(info, grid, config, memory)) {
    text += fmt::format("  {} takes {}\n", r.flags, size_text(r.total));
    out["remedies"][r.flags] = r.total;
  }
  text += "  in the host's memory beside it:\n";
  for (const train::MemoryComponent& c : plan.host) line("host", c.name, c.bytes);
  line("host", "of which page-locked", plan.pinned);
}

}  // namespace opx::cli
