// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/memory_model.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "layout/placement.hpp"
#include "model/spec.hpp"
#include "parallel/aggregate.hpp"
#include "tensor/matrix.hpp"
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

/// Columns of row-sized matrices that a training step holds at once: the calls of model/ to its Workspace,
/// played through.
class Tape {
 public:
  Tape(const model::ModelSpec& spec, bool aligned_rows) : spec_(spec), aligned_rows_(aligned_rows) {}

  Index peak() {
    if (!constant_input() && spec_.input_dropout > 0) take(in(0));
    for (Index l = 0; l < spec_.layers(); ++l) forward(l);
    for (Index l = spec_.layers() - 1; l >= 0; --l) backward(l);
    return peak_;
  }

 private:
  void take(Index columns) { peak_ = std::max(peak_, live_ += columns); }
  void give(Index columns) { live_ -= columns; }
  [[nodiscard]] bool constant_input() const { return spec_.cached(); }
  /// Whether x of the layer is a matrix of the step (else it is the feature matrix itself).
  [[nodiscard]] bool owns_input(Index l) const {
    return l > 0 || (!constant_input() && spec_.input_dropout > 0);
  }
  [[nodiscard]] Index in(Index l) const {
    const Index columns = width(spec_, l);
    return aligned_rows_ ? tensor::line_stride<float>(columns) : columns;
  }
  [[nodiscard]] Index out(Index l) const { return in(l + 1); }
  [[nodiscard]] Index owned(Index l) const { return owns_input(l) ? in(l) : 0; }
  [[nodiscard]] bool computes_h(Index l) const {
    return spec_.aggregates_first(l) && !(l == 0 && constant_input());
  }
  [[nodiscard]] bool has_norm(Index l) const {
    return l + 1 < spec_.layers() && spec_.norm != tensor::Norm::kNone;
  }

  void forward(Index l) {
    const bool first = spec_.aggregates_first(l), gin = spec_.kind == model::Kind::kGin;
    if (!first) take(out(l));  // z
    if (gin && first && l == 0 && constant_input() && spec_.input_dropout > 0) take(in(l));
    if (first && (gin || computes_h(l))) take(in(l));  // h or s
    if (spec_.kind == model::Kind::kGcn && first) give(owned(l));
    if (gin) take(out(l));  // u
    take(out(l));           // q
    if (!first && !gin) give(out(l));
    if (has_norm(l)) take(out(l));
  }

  void backward(Index l) {
    const bool first = spec_.aggregates_first(l), gin = spec_.kind == model::Kind::kGin;
    const bool need = l > 0 || spec_.learned_features;
    if (has_norm(l)) give(out(l));
    if (gin) give(out(l)), take(out(l));  // u makes room for du; dq goes with it
    if (!first) {
      take(out(l));
      give(owned(l));
      if (need) take(in(l));
      give(2 * out(l) + (gin ? out(l) : 0));
      return;
    }
    if (spec_.kind != model::Kind::kGcn) give(owned(l));
    if (computes_h(l) || gin) give(in(l));
    if (need) take(2 * in(l)), give(in(l));
    give(out(l) + (gin ? out(l) : 0));
  }

  const model::ModelSpec& spec_;
  bool aligned_rows_;
  Index live_ = 0, peak_ = 0;
};

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

  std::int64_t mask = 0;
  for (Index l = 0; l < spec.layers(); ++l)
    mask += 8 * ceil_div(width(spec, l + 1), 64) * (spec.kind == model::Kind::kGin ? 2 : 1);
  if (spec.learned_features && spec.input_dropout > 0) mask += 8 * ceil_div(input, 64);
  add("activations", kFloat * rows * Tape(spec, grid.tensor_ranks() == 1).peak() + rows * mask);

  // Aggregators keep the work space of their widest call; the set-up call of a cached aggregation is the
  // input's.
  const parallel::AggregateOptions options{
      .wire = config.wire == "bf16" ? parallel::Wire::kBfloat16 : parallel::Wire::kFloat32,
      .panels = config.panels};
  const auto workspace = [&](Index layer, Index columns) {
    const auto bytes = [&](bool backward) {
      return parallel::aggregate_workspace(grid, layout::roles_of(layer), rows, columns, backward, options,
                                           false);
    };
    return std::max(bytes(false), bytes(true));
  };
  const std::int64_t first = spec.cached() ? workspace(0, input) : 0;
  std::int64_t gather = 0;
  for (Index l = spec.cached() ? 1 : 0; l < spec.layers(); ++l)
    gather = std::max(gather, workspace(l, std::min(width(spec, l), width(spec, l + 1))));
  add("gathered slabs", gather);

  std::int64_t scalars = 0;
  for (const model::ParameterSpec& p : model::parameter_specs(spec)) scalars += p.size();
  const int vectors = optimizer_state_vectors(config.optimizer);
  const std::int64_t table = spec.learned_features ? rows * input * vectors : 0;
  add("parameters and optimiser", kFloat * (scalars * (2 + vectors) + table));

  // Before the first step X and A X are both there; where features are wide that is the peak of the run.
  if (spec.cached()) {
    const std::int64_t setup = out.components.front().bytes + kFloat * rows * 2 * input + first;
    if (setup > out.total()) add("set-up beyond the steps", setup - out.total());
  }
  return out;
}

}  // namespace opx::train
