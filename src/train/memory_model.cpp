// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/memory_model.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "layout/placement.hpp"
#include "model/spec.hpp"
#include "parallel/aggregate.hpp"
#include "train/activation_tape.hpp"
#include "train/network.hpp"
#include "train/optimizer.hpp"

namespace opx::train {
namespace {

constexpr std::int64_t kFloat = 4;

/// Everything that the estimates of both modes are made of.
class Estimator {
 public:
  Estimator(const graph::StoreInfo& info, const layout::Grid& grid, const RunConfig& config,
            const model::ModelSpec& spec)
      : info_(info),
        grid_(grid),
        config_(config),
        spec_(spec),
        batch_spec_(batch_spec(spec, grid, gives_loss_rows(config, info))),
        rows_(layout::padded_rows(info.vertices, grid.tensor_ranks())) {}

  MemoryEstimate full() {
    add("adjacency", adjacency(true));
    add("features", kFloat * rows_ * constant_columns());
    add("activations", training_pass(rows_));
    add("gathered slabs", gathered(rows_, true));
    add("parameters and optimiser", parameters());
    add_setup();
    return std::move(out_);
  }

  MemoryEstimate mini(Index batch_rows) {
    const Index rows = batch_rows > 0 ? batch_rows : expected_batch_rows();
    out_.batch_rows = rows;
    add("adjacency", adjacency(false));
    add("features", kFloat * rows_ * constant_columns());
    add("activations of a batch", training_pass(rows) + panel(rows));
    const Index slots = config_.mini.pipeline_depth + 1;
    add("batches built ahead", slots * slot(rows, true) + scratch(rows));
    const MiniConfig& mini = config_.mini;
    const std::int64_t logits = kFloat * rows_ * spec_.widths.back();
    add("evaluation", mini.sampled_eval ? slot(rows, false) + logits : kFloat * rows_ * tape().evaluation());
    add("gathered slabs",
        gathered(rows, true) + std::max(setup_workspace(), mini.sampled_eval ? 0 : gathered(rows_, false)));
    add("parameters and optimiser", parameters());
    add_setup();
    return std::move(out_);
  }

 private:
  void add(const char* what, std::int64_t bytes) { out_.components.push_back({what, bytes}); }
  [[nodiscard]] Index width(Index boundary) const { return spec_.widths[static_cast<std::size_t>(boundary)]; }
  [[nodiscard]] bool one_rank() const { return grid_.tensor_ranks() == 1; }
  [[nodiscard]] ActivationTape tape() const { return {spec_, one_rank()}; }
  [[nodiscard]] ActivationTape training_tape() const { return {batch_spec_, one_rank()}; }
  /// Columns of the constant matrices of the own rows.
  [[nodiscard]] Index constant_columns() const {
    const Index gradient = spec_.learned_features ? width(0) : 0;
    return (spec_.reads_features() ? width(0) : 0) + (spec_.cached() ? width(0) : 0) + gradient;
  }
  /// Layers with tiles of their own; layer 3 has the roles of layer 0.
  [[nodiscard]] Index rotations() const { return one_rank() ? 1 : std::min<Index>(3, spec_.layers()); }
  [[nodiscard]] Index entries() const {
    const bool loops = config_.model.self_loops && spec_.kind == model::Kind::kGcn;
    return info_.edges + (loops ? info_.vertices - info_.self_loops : 0);
  }

  [[nodiscard]] std::int64_t adjacency(bool transposes) const;
  [[nodiscard]] std::int64_t training_pass(Index rows) const;
  [[nodiscard]] std::int64_t panel(Index rows) const;
  [[nodiscard]] std::int64_t gathered(Index rows, bool backward) const;
  [[nodiscard]] std::int64_t workspace(Index layer, Index rows, Index columns, bool backward) const;
  [[nodiscard]] std::int64_t parameters() const;
  /// Share of the vertices in a sub-batch.
  [[nodiscard]] double ratio() const {
    const MiniConfig& mini = config_.mini;
    const auto n = static_cast<double>(info_.vertices);
    const double asked = mini.batch_size > 0 ? static_cast<double>(mini.batch_size) / n : mini.batch_ratio;
    return 1 / std::max(1.0, std::round(1 / asked));
  }
  [[nodiscard]] Index expected_batch_rows() const;
  [[nodiscard]] std::int64_t batch_entries(Index layer) const;
  [[nodiscard]] std::int64_t slot(Index rows, bool backward) const;
  [[nodiscard]] std::int64_t scratch(Index rows) const;
  /// The set-up call of a cached aggregation is as wide as the input.
  [[nodiscard]] std::int64_t setup_workspace() const {
    return spec_.cached() ? workspace(0, rows_, width(0), false) : 0;
  }
  void add_setup();

  const graph::StoreInfo& info_;
  const layout::Grid& grid_;
  const RunConfig& config_;
  const model::ModelSpec& spec_;
  model::ModelSpec batch_spec_;  ///< mode mini: of the training passes
  Index rows_;                   ///< own rows of the full graph
  MemoryEstimate out_;
};

/// Tiles of the layers' rotations and, where A is not symmetric or the tiles differ from their transposes,
/// the transposes.
std::int64_t Estimator::adjacency(bool transposes) const {
  const std::int64_t entry = info_.weighted ? 8 : 4;
  const bool shared = one_rank() && info_.symmetric;
  std::int64_t total = 0;
  for (Index layer = 0; layer < rotations(); ++layer) {
    const layout::Roles roles = layout::roles_of(layer);
    const Index rows = info_.vertices / grid_.size(roles.r), cols = info_.vertices / grid_.size(roles.k);
    const std::int64_t tile = entry * entries() / (grid_.size(roles.r) * grid_.size(roles.k));
    const bool backward = transposes && (layer > 0 || spec_.layers() > 3 || !spec_.cached());
    total += tile + 8 * rows + (shared || !backward ? 0 : tile + 8 * cols) + 2 * kFloat * (rows + cols);
  }
  return total;
}

std::int64_t Estimator::training_pass(Index rows) const {
  std::int64_t mask = 0;
  for (Index l = 0; l < spec_.layers(); ++l)
    mask += 8 * ceil_div(width(l + 1), 64) * (spec_.kind == model::Kind::kGin ? 2 : 1);
  if (spec_.learned_features && spec_.input_dropout > 0) mask += 8 * ceil_div(width(0), 64);
  if (spec_.cached() && spec_.input_dropout > 0 && spec_.kind != model::Kind::kGin)
    mask += 8 * ceil_div(width(0), 64) * (spec_.kind == model::Kind::kGcn ? 1 : 2);
  return kFloat * rows * training_tape().training() + rows * mask;
}

/// Dropout of a batch's constant input is done in panels, for which the pool gives a matrix of all rows.
std::int64_t Estimator::panel(Index rows) const {
  const bool panels = spec_.cached() && spec_.input_dropout > 0 && spec_.kind != model::Kind::kGin;
  return panels ? kFloat * rows * width(0) : 0;
}

std::int64_t Estimator::workspace(Index layer, Index rows, Index columns, bool backward) const {
  const parallel::AggregateOptions options{
      .wire = config_.wire == "bf16" ? parallel::Wire::kBfloat16 : parallel::Wire::kFloat32,
      .panels = config_.panels};
  return parallel::aggregate_workspace(grid_, layout::roles_of(layer), rows, columns, backward, options,
                                       false);
}

/// Aggregators keep the work space of their widest call.
std::int64_t Estimator::gathered(Index rows, bool backward) const {
  std::int64_t most = 0;
  for (Index l = spec_.cached() ? 1 : 0; l < spec_.layers(); ++l) {
    const Index columns = std::min(width(l), width(l + 1));
    most = std::max(most, workspace(l, rows, columns, false));
    if (backward) most = std::max(most, workspace(l, rows, columns, true));
  }
  return most;
}

std::int64_t Estimator::parameters() const {
  std::int64_t scalars = 0;
  for (const model::ParameterSpec& p : model::parameter_specs(spec_)) scalars += p.size();
  const int vectors = optimizer_state_vectors(config_.optimizer);
  const int accumulated = config_.mode == "mini" && config_.mini.accumulate > 1 ? 1 : 0;
  const std::int64_t table = spec_.learned_features ? rows_ * width(0) * vectors : 0;
  return kFloat * (scalars * (2 + vectors + accumulated) + table);
}

/// Before the first step X and A X are both there; where features are wide that is the peak of the run.
void Estimator::add_setup() {
  if (!spec_.cached()) return;
  const std::int64_t setup =
      out_.components.front().bytes + kFloat * rows_ * 2 * width(0) +
      std::max(workspace(0, rows_, width(0), false), workspace(0, rows_, width(0), true));
  if (setup > out_.total()) add("set-up beyond the steps", setup - out_.total());
}

/// Without a sampler at hand: the ratio's share of the own rows; `uniform` has room for an uneven draw.
Index Estimator::expected_batch_rows() const {
  const double share = 1 / static_cast<double>(grid_.tensor_ranks());
  const double mean = static_cast<double>(info_.vertices) * share * ratio();
  const double more = config_.mini.sampler == "uniform" ? 12 * std::sqrt(mean * (1 - share)) + 50 : 0;
  return std::min(rows_, static_cast<Index>(std::ceil(mean + more)));
}

/// Of the tile of a layer: both ends of an entry are in. Batches of `cluster` keep what lies within a part,
/// half of all is allowed for; those that prefer high degrees have more than their share, twice is allowed
/// for.
std::int64_t Estimator::batch_entries(Index layer) const {
  const layout::Roles roles = layout::roles_of(layer);
  const double ratio = this->ratio();
  const std::string& sampler = config_.mini.sampler;
  const double other = sampler == "cluster"                             ? (1 + ratio) / 2
                       : sampler == "degree" || sampler == "saint-walk" ? std::min(1.0, 2 * ratio)
                                                                        : ratio;
  const double loops = static_cast<double>(entries() - info_.edges) * ratio;
  const double kept = static_cast<double>(info_.edges) * ratio * other + loops;
  return static_cast<std::int64_t>(kept / static_cast<double>(grid_.size(roles.r) * grid_.size(roles.k)));
}

/// One sub-batch: rows of the constant matrices, tiles and transposes with values. Memory of tiles grows by
/// half, so a quarter of it is more than needed in the mean.
std::int64_t Estimator::slot(Index rows, bool backward) const {
  const Index first = spec_.cached() && spec_.layers() > 1 ? 1 : 0;
  const bool shared = info_.symmetric && config_.mini.estimator == "self-normalised";
  const Index most = one_rank() ? first + 1 : std::min<Index>(spec_.layers(), first + 3);
  std::int64_t bytes = kFloat * rows * constant_columns();
  if (info_.task == graph::Task::kMultiLabel) bytes += kFloat * rows * spec_.widths.back();
  for (Index layer = first; layer < most; ++layer) {
    const layout::Roles roles = layout::roles_of(layer);
    const std::int64_t tile = 10 * batch_entries(layer);
    const Index slab = rows * grid_.tensor_ranks();
    const bool twice = backward && !shared && (layer > 0 || !spec_.cached());
    bytes += tile + 8 * slab / grid_.size(roles.r);
    if (twice) bytes += tile + 8 * slab / grid_.size(roles.k);
  }
  return bytes;
}

/// Of the builder: counts of a transpose, and what threads but the first cut.
std::int64_t Estimator::scratch(Index rows) const {
  const Index threads = config_.mini.sampler_threads;
  const Index slab = rows * grid_.tensor_ranks() / std::min({grid_.gx, grid_.gy, grid_.gz});
  return 8 * slab * threads + 10 * batch_entries(0) * (threads - 1) / threads;
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
  Estimator estimator(info, grid, config, spec);
  return config.mode == "mini" ? estimator.mini(batch_rows) : estimator.full();
}

}  // namespace opx::train
