// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/memory_model.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "layout/placement.hpp"
#include "model/spec.hpp"
#include "train/optimizer.hpp"

namespace opx::train {
namespace {

constexpr std::int64_t kFloat = 4;

Index width(const model::ModelSpec& spec, Index boundary) {
  return spec.widths[static_cast<std::size_t>(boundary)];
}

/// Tiles of the layers' rotations and, where A is not symmetric or the tiles differ from their transposes,
/// the transposes.
std::int64_t adjacency_bytes(const graph::StoreInfo& info, const layout::Grid& grid, const RunConfig& config,
                             const model::ModelSpec& spec) {
  const bool loops = config.model.self_loops && spec.kind == model::Kind::kGcn;
  const Index nnz = info.edges + (loops ? info.vertices - info.self_loops : 0);
  const std::int64_t entry = info.weighted ? 8 : 4;
  std::int64_t total = 0;
  const bool one_rank = grid.tensor_ranks() == 1;
  const bool shared = one_rank && info.symmetric;
  for (Index layer = 0; layer < (one_rank ? 1 : std::min<Index>(3, spec.layers())); ++layer) {
    const layout::Roles roles = layout::roles_of(layer);
    const Index rows = info.vertices / grid.size(roles.r), cols = info.vertices / grid.size(roles.k);
    const std::int64_t tile = entry * nnz / (grid.size(roles.r) * grid.size(roles.k));
    const bool backward =
        layer > 0 || spec.layers() > 3 || !spec.cached();  // layer 3 has the roles of layer 0
    total += tile + 8 * rows + (shared || !backward ? 0 : tile + 8 * cols) + 2 * kFloat * (rows + cols);
  }
  return total;
}

/// What the forward pass keeps of a layer for its backward pass, in columns of a row-sized matrix.
Index kept_columns(const model::ModelSpec& spec, Index layer) {
  const Index in = width(spec, layer), out = width(spec, layer + 1);
  const bool first = spec.aggregates_first(layer);
  const bool hidden = layer + 1 < spec.layers();
  Index columns = hidden && spec.norm != tensor::Norm::kNone ? out : 0;  // q
  const bool constant = layer == 0 && spec.cached();
  switch (spec.kind) {
    case model::Kind::kGcn:
      columns += constant ? 0 : in;
      break;
    case model::Kind::kSage:
      columns += constant ? 0 : in + (first ? in : 0);
      break;
    case model::Kind::kGin:
      columns += out + (first ? (constant ? in : 2 * in) : in);
      break;
  }
  return columns;
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
                               const RunConfig& config, const model::ModelSpec& spec) {
  const Index rows = layout::padded_rows(info.vertices, grid.tensor_ranks());
  MemoryEstimate out;
  const auto add = [&](const char* what, std::int64_t bytes) { out.components.push_back({what, bytes}); };
  add("adjacency", adjacency_bytes(info, grid, config, spec));

  const Index input = width(spec, 0);
  const bool keeps_features = !spec.cached() || spec.kind != model::Kind::kGcn || spec.has_residual(0);
  Index constant = (keeps_features ? input : 0) + (spec.cached() ? input : 0);
  if (spec.learned_features) constant += input;  // the gradient
  add("features", kFloat * rows * constant);

  Index kept = 0, widest = 0;
  std::int64_t mask = 0;
  for (Index l = 0; l < spec.layers(); ++l) {
    kept += kept_columns(spec, l);
    mask += 8 * ceil_div(width(spec, l + 1), 64) * (spec.kind == model::Kind::kGin ? 2 : 1);
    widest = std::max(widest, std::min(width(spec, l), width(spec, l + 1)));
  }
  const Index last = width(spec, spec.layers());
  add("kept for backward", kFloat * rows * kept + rows * mask);
  add("under way", kFloat * rows * (2 * last + (spec.layers() > 1 ? width(spec, spec.layers() - 1) : 0)));

  std::int64_t gather = 0;
  for (Index l = spec.cached() ? 1 : 0; l < spec.layers() && grid.tensor_ranks() > 1; ++l) {
    const layout::Roles roles = layout::roles_of(l);
    const Index columns = ceil_div(std::min(width(spec, l), width(spec, l + 1)), grid.size(roles.c));
    gather = std::max<std::int64_t>(
        gather, kFloat * rows * grid.size(roles.c) * columns * (grid.size(roles.r) + grid.size(roles.k) + 2));
  }
  add("gathered slabs", gather);

  std::int64_t scalars = 0;
  for (const model::ParameterSpec& p : model::parameter_specs(spec)) scalars += p.size();
  const int vectors = optimizer_state_vectors(config.optimizer);
  const std::int64_t table = spec.learned_features ? rows * input * vectors : 0;
  add("parameters and optimiser", kFloat * (scalars * (2 + vectors) + table));
  return out;
}

}  // namespace opx::train
