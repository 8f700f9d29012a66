// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/gpu_memory.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "base/text.hpp"
#include "model/host_input.hpp"
#include "train/grid_choice.hpp"
#include "train/memory_parts.hpp"
#include "train/network.hpp"

namespace opx::train {
namespace {

using detail::kFloat;
using detail::MemoryParts;

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
constexpr std::int64_t kLibraries = 32 * kMiB;     // work space of cuBLASLt (tensor/gpu/gemm_cublaslt.cpp)
constexpr std::int64_t kRuntime = 700 * kMiB;      // CUDA's context, kernels of ours and of the libraries
constexpr std::int64_t kCollectives = 400 * kMiB;  // NCCL's channels, several communicators
constexpr std::int64_t kPanelElements = std::int64_t{1} << 23;  // of model::Model
constexpr double kFragments = 0.02;                             // of what is counted
constexpr std::int64_t kStaging = 64 * kMiB;  // pieces of copies from pageable memory under way
constexpr std::int64_t kMostRanks = 1024;

std::int64_t sum(const std::vector<MemoryComponent>& components) noexcept {
  std::int64_t bytes = 0;
  for (const MemoryComponent& c : components) bytes += c.bytes;
  return bytes;
}

/// Rows of partial sums where chunks of entries cut rows (spmm/gpu/variants.hpp): at most two for each of
/// 2^15 chunks.
std::int64_t cut_rows(const MemoryParts& parts, const layout::Grid& grid, const model::ModelSpec& spec) {
  const Index tile =
      parts.entries() / std::max(1, grid.tensor_ranks() / std::max({grid.gx, grid.gy, grid.gz}));
  const Index chunks = std::min<Index>(ceil_div(tile, 128), Index{1} << 15);
  Index columns = spec.cached() ? parts.width(0) : 0;
  for (Index l = 0; l < spec.layers(); ++l)
    columns = std::max(columns, std::min(parts.width(l), parts.width(l + 1)));
  return 2 * chunks * kFloat * columns;
}

/// Labels, splits and targets of the own rows.
std::int64_t truth(const MemoryParts& parts, const graph::StoreInfo& info) {
  const std::int64_t targets = info.task == graph::Task::kMultiLabel ? kFloat * info.classes : 0;
  return parts.rows() * (7 + targets);
}

class Planner {
 public:
  Planner(const graph::StoreInfo& info, const layout::Grid& grid, const RunConfig& config,
          const model::ModelSpec& spec, const GpuPlanOptions& options)
      : info_(info),
        grid_(grid),
        config_(config),
        spec_(spec),
        parts_(info, grid, config, spec, options.overlaps) {
    if (config.mode == "mini")
      out_.batch_rows = options.batch_rows > 0 ? options.batch_rows : parts_.expected_batch_rows();
  }

  GpuMemoryPlan plan() {
    const bool mini = config_.mode == "mini";
    const Index rows = mini ? out_.batch_rows : parts_.rows();
    on_device("shards", parts_.adjacency(!mini || cuts_on_gpu(config_)));
    on_device("features and labels", features() + truth(parts_, info_));
    on_device("activations", parts_.training_pass(rows) + (mini ? parts_.panel(rows) : 0));
    if (mini) add_batches(rows);
    on_device("gradients", parts_.replicated() + kFloat * parts_.rows() * parts_.learned_columns());
    on_device("work space and staging", workspace(rows));
    on_device("parameters and optimiser", parts_.replicated() + parts_.optimizer_state());
    const std::int64_t setup = parts_.setup(out_.device.front().bytes, setup_columns());
    if (setup > out_.counted()) on_device("set-up beyond the steps", setup - out_.counted());
    out_.reserve = kRuntime + kLibraries + (grid_.ranks() > 1 ? kCollectives : 0) +
                   static_cast<std::int64_t>(kFragments * static_cast<double>(out_.counted()));
    add_host();
    return std::move(out_);
  }

 private:
  void on_device(const char* what, std::int64_t bytes) { out_.device.push_back({what, bytes}); }
  void beside(const char* what, std::int64_t bytes) { out_.host.push_back({what, bytes}); }

  [[nodiscard]] std::int64_t features() const {
    return on_host() ? 0 : kFloat * parts_.rows() * (parts_.constant_columns() + parts_.learned_columns());
  }
  [[nodiscard]] std::int64_t workspace(Index rows) const {
    std::int64_t bytes = parts_.gathered(rows, true) + cut_rows(parts_, grid_, spec_) + panels();
    if (config_.mode != "mini") return bytes;
    const std::int64_t evaluation = config_.mini.sampled_eval ? 0 : parts_.gathered(parts_.rows(), false);
    return bytes + std::max(parts_.setup_workspace(), evaluation);
  }
  [[nodiscard]] bool on_host() const { return config_.features_on == "host"; }
  [[nodiscard]] Index setup_columns() const {
    return on_host() ? std::min(parts_.width(0), model::kAggregatedColumns) : parts_.width(0);
  }
  /// Two panels on the way and one after dropout; the whole input where its aggregation is recomputed or
  /// GIN adds it to that (after dropout it is among the activations), or a residual reads it. In mode mini
  /// evaluation alone needs them.
  [[nodiscard]] std::int64_t panels() const {
    const bool mini = config_.mode == "mini";
    if (!on_host() || (mini && config_.mini.sampled_eval)) return 0;
    const bool drops = !mini && spec_.input_dropout > 0, reads = spec_.has_residual(0);
    const bool streams = spec_.cached() && spec_.kind != model::Kind::kGin;
    const std::int64_t whole = parts_.rows() * parts_.width(0),
                       copies = (!streams && !drops ? whole : 0) + (reads ? whole : 0),
                       streamed = streams ? std::min(whole, kPanelElements) * (drops ? 3 : 2) : 0;
    return kFloat * (copies + streamed);
  }
  /// Rows of the input are gathered from the GPU's own for one sub-batch at a time, or sent with each. A
  /// captured step reads copies of its sub-batches.
  void add_batches(Index rows) {
    const MiniConfig& mini = config_.mini;
    const std::int64_t copies = config_.cuda_graph == "on" ? mini.accumulate * batch(rows, true) : 0;
    const std::int64_t input = kFloat * rows * parts_.constant_columns(), slots = mini.pipeline_depth + 1;
    on_device("batches", slots * batch(rows, true) + copies + (on_host() ? slots : 1) * input + cutter(rows));
    on_device("evaluation", mini.sampled_eval ? batch(rows, false) + input + cutter(rows)
                                              : kFloat * parts_.rows() * parts_.tape().evaluation());
  }
  void add_host() {
    beside("labels and splits", truth(parts_, info_));
    beside("logits of an evaluation", kFloat * parts_.rows() * spec_.widths.back());
    const std::int64_t features = kFloat * parts_.rows() * parts_.width(0), tiles = out_.device.front().bytes;
    if (cuts_here()) {
      beside("tiles that sub-batches are cut from", tiles);
      beside("load: features before they are copied", features);
    } else {
      beside("load: tiles and features before they are copied", tiles + features);
    }
    beside("page-locked pieces of copies", kStaging);
    out_.pinned = kStaging;
    if (config_.mode == "mini") add_builder();
    if (!on_host()) return;
    const std::int64_t locked = kFloat * parts_.rows() * parts_.constant_columns();
    beside("features, page-locked", locked);
    out_.pinned += locked;
  }

  /// Whether the CPU cuts sub-batches, out of tiles that stay in host memory.
  [[nodiscard]] bool cuts_here() const { return config_.mode == "mini" && !cuts_on_gpu(config_); }
  /// On the GPU.
  [[nodiscard]] std::int64_t batch(Index rows, bool backward) const {
    return parts_.tiles(rows, backward) + parts_.upload(rows);
  }
  [[nodiscard]] std::int64_t cutter(Index rows) const { return cuts_here() ? 0 : parts_.cutter(rows); }
  void add_builder() {
    const Index rows = out_.batch_rows, slots = config_.mini.pipeline_depth + 1;
    const std::int64_t input = on_host() ? kFloat * rows * parts_.constant_columns() : 0;
    const std::int64_t tiles = cuts_here() ? slots * parts_.tiles(rows, true) : 0;
    const std::int64_t drawn = cuts_here() ? 0 : parts_.drawn(rows);
    const std::int64_t sent = slots * (parts_.upload(rows) + input) + tiles + drawn;
    beside("sub-batches while they are built",
           tiles + slots * parts_.upload(rows) + (cuts_here() ? parts_.scratch(rows) : 0));
    beside("sub-batches, page-locked", sent);
    out_.pinned += sent;
  }

  const graph::StoreInfo& info_;
  const layout::Grid& grid_;
  const RunConfig& config_;
  const model::ModelSpec& spec_;
  MemoryParts parts_;
  GpuMemoryPlan out_;
};

Index input_of(const graph::StoreInfo& info, const RunConfig& config) {
  return config.model.features == "learned" ? config.model.feature_dim : info.feature_dim;
}

GpuMemoryPlan plan_of(const graph::StoreInfo& info, const layout::Grid& grid, const RunConfig& config) {
  const model::ModelSpec spec = make_spec(config, input_of(info, config), std::max<Index>(info.classes, 1));
  return plan_gpu_memory(info, grid, config, spec);
}

MemoryRemedy more_ranks(const graph::StoreInfo& info, const layout::Grid& grid, const RunConfig& config,
                        std::int64_t memory) {
  RunConfig wider = config;
  wider.grid = "auto";
  const GridProblem problem{
      .vertices = info.vertices, .features = input_of(info, config), .classes = info.classes};
  MemoryRemedy out;
  for (std::int64_t ranks = 2 * grid.tensor_ranks(); ranks <= kMostRanks * grid.tensor_ranks(); ranks *= 2) {
    layout::Grid next = resolve_grid(wider, static_cast<int>(ranks), problem);
    next.gd = grid.gd;
    out = {fmt::format("--ranks {} (grid {})", next.ranks(), layout::to_string(next)),
           plan_of(info, next, config).total()};
    if (memory == 0 || out.total <= memory) break;
  }
  return out;
}

}  // namespace

std::int64_t GpuMemoryPlan::counted() const noexcept { return sum(device); }
std::int64_t GpuMemoryPlan::host_total() const noexcept { return sum(host); }

GpuMemoryPlan plan_gpu_memory(const graph::StoreInfo& info, const layout::Grid& grid, const RunConfig& config,
                              const model::ModelSpec& spec, const GpuPlanOptions& options) {
  return Planner(info, grid, config, spec, options).plan();
}

std::vector<MemoryRemedy> memory_remedies(const graph::StoreInfo& info, const layout::Grid& grid,
                                          const RunConfig& config, std::int64_t memory) {
  std::vector<MemoryRemedy> out;
  const GpuMemoryPlan before = plan_of(info, grid, config);
  const auto keep = [&](MemoryRemedy remedy) {
    if (remedy.total <= before.total() - before.counted() / 50) out.push_back(std::move(remedy));
  };
  const auto consider = [&](const char* flags, auto&& change) {
    RunConfig changed = config;
    change(changed);
    keep({flags, plan_of(info, grid, changed).total()});
  };
  if (config.wire == "fp32" && grid.tensor_ranks() > 1)
    consider("--wire bf16", [](RunConfig& c) { c.wire = "bf16"; });
  const bool given = config.model.features == "given" && config.scheme == "scatter";
  if (given && config.features_on == "device")
    consider("--features-on host", [](RunConfig& c) { c.features_on = "host"; });
  if (config.mode == "full" && given)
    consider("--mode mini --build-batches cpu",
             [](RunConfig& c) { c.mode = "mini", c.mini.build_batches = "cpu"; });
  if (config.mode == "mini") {
    consider("a tenth of the batch", [](RunConfig& c) { c.mini.batch_ratio /= 10, c.mini.batch_size /= 10; });
    if (cuts_on_gpu(config))
      consider("--build-batches cpu", [](RunConfig& c) { c.mini.build_batches = "cpu"; });
    if (!config.mini.sampled_eval)
      consider("--sampled-eval", [](RunConfig& c) { c.mini.sampled_eval = true; });
  }
  keep(more_ranks(info, grid, config, memory));
  std::ranges::stable_sort(out, {}, &MemoryRemedy::total);
  return out;
}

std::string memory_advice(const RunConfig& config, int ranks) {
  try {
    const std::shared_ptr<graph::Store> store = graph::Store::open(config.dataset);
    const graph::StoreInfo& info = store->info();
    const layout::Grid grid = resolve_grid(
        config, ranks,
        {.vertices = info.vertices, .features = input_of(info, config), .classes = info.classes});
    const auto size = [](std::int64_t bytes) { return base::format_bytes(static_cast<double>(bytes)); };
    std::vector<std::string> flags;
    for (const MemoryRemedy& r : memory_remedies(info, grid, config, 0))
      flags.push_back(fmt::format("{} (planned {})", r.flags, size(r.total)));
    return fmt::format("; the plan of a rank is {}; what takes less: {}",
                       size(plan_of(info, grid, config).total()),
                       flags.empty() ? "a smaller model" : fmt::format("{}", fmt::join(flags, ", ")));
  } catch (const base::Error&) {
    return {};
  }
}

}  // namespace opx::train
