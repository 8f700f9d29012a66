// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/memory_model.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "train/memory_parts.hpp"

namespace opx::train {
namespace {

using detail::kFloat;
using detail::MemoryParts;

void add(MemoryEstimate& out, const char* what, std::int64_t bytes) {
  out.components.push_back({what, bytes});
}

std::int64_t features_of(const MemoryParts& parts) {
  return kFloat * parts.rows() * (parts.constant_columns() + parts.learned_columns());
}

/// Where features are wide the set-up is the peak of the run.
void add_setup(MemoryEstimate& out, const MemoryParts& parts) {
  const std::int64_t setup = parts.setup(out.components.front().bytes, parts.width(0));
  if (setup > out.total()) add(out, "set-up beyond the steps", setup - out.total());
}

MemoryEstimate full(const MemoryParts& parts) {
  MemoryEstimate out;
  add(out, "adjacency", parts.adjacency(true));
  add(out, "features", features_of(parts));
  add(out, "activations", parts.training_pass(parts.rows()));
  add(out, "gathered slabs", parts.gathered(parts.rows(), true));
  add(out, "parameters and optimiser", 2 * parts.replicated() + parts.optimizer_state());
  add_setup(out, parts);
  return out;
}

MemoryEstimate mini(const MemoryParts& parts, const MiniConfig& config, Index classes, Index rows) {
  MemoryEstimate out;
  out.batch_rows = rows;
  add(out, "adjacency", parts.adjacency(false));
  add(out, "features", features_of(parts));
  add(out, "activations of a batch", parts.training_pass(rows) + parts.panel(rows));
  const Index slots = config.pipeline_depth + 1;
  add(out, "batches built ahead", slots * parts.slot(rows, true) + parts.scratch(rows));
  const std::int64_t logits = kFloat * parts.rows() * classes;
  add(out, "evaluation",
      config.sampled_eval ? parts.slot(rows, false) + logits
                          : kFloat * parts.rows() * parts.tape().evaluation());
  add(out, "gathered slabs",
      parts.gathered(rows, true) +
          std::max(parts.setup_workspace(), config.sampled_eval ? 0 : parts.gathered(parts.rows(), false)));
  add(out, "parameters and optimiser", 2 * parts.replicated() + parts.optimizer_state());
  add_setup(out, parts);
  return out;
}

}  // namespace

std::int64_t MemoryEstimate::total() const noexcept {
  std::int64_t sum = 0;
  for (const MemoryComponent& c : components) sum += c.bytes;
  return sum;
}

std::string MemoryEstimate::describe() const {
  std::string text;
  for (const MemoryComponent& c : components)
    text += fmt::format("{} {}, ", c.name, base::format_bytes(static_cast<double>(c.bytes)));
  return text + fmt::format("total {}", base::format_bytes(static_cast<double>(total())));
}

MemoryEstimate estimate_memory(const graph::StoreInfo& info, const layout::Grid& grid,
                               const RunConfig& config, const model::ModelSpec& spec, Index batch_rows) {
  const MemoryParts parts(info, grid, config, spec);
  if (config.mode != "mini") return full(parts);
  return mini(parts, config.mini, spec.widths.back(),
              batch_rows > 0 ? batch_rows : parts.expected_batch_rows());
}

}  // namespace opx::train
