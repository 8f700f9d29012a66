// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/gpu_plan.hpp"
#include "cli/store_facts.hpp"
#include "graph/info.hpp"
#include "parallel/scheme_words.hpp"
#include "train/grid_choice.hpp"
#include "train/memory_model.hpp"
#include "train/network.hpp"
#include "train/options.hpp"

namespace opx::cli {

namespace {

using Json = nlohmann::ordered_json;
using base::format_bytes;
using base::format_count;

constexpr std::string_view kFooter = R"(Examples:
  orthoplex info demo.opx
  orthoplex info demo.opx --tiles 8
  orthoplex info demo.opx --grid 2x2x2 --schemes --hidden 256
  orthoplex info demo.opx --grid 2x2x2 --device cuda --gpu-memory 80GiB)";

std::string counts_text(const graph::StoreInfo& info, const graph::DegreeSummary& d) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{:<12} {}\n", name, value);
  };
  line("name", info.name);
  line("vertices", format_count(info.vertices));
  line("edges", fmt::format("{} ({}{}, {} self loops)", format_count(info.edges),
                            info.symmetric ? "symmetric" : "directed", info.weighted ? ", weighted" : "",
                            format_count(info.self_loops)));
  line("degrees", fmt::format("min {}, mean {:.2f}, median {}, p99 {}, max {}; {} isolated", d.min, d.mean,
                              d.median, d.p99, format_count(d.max), format_count(d.isolated)));
  line("features", info.feature_dim == 0 ? "none"
                                         : fmt::format("{} columns, {}", info.feature_dim,
                                                       feature_type_name(info.feature_type)));
  line("task", fmt::format("{}, {} {}, metric {}", task_name(info.task), info.classes,
                           info.task == graph::Task::kMultiLabel ? "tasks" : "classes",
                           info.metric.empty() ? "none" : info.metric));
  line("splits", fmt::format("train {}, valid {}, test {}", format_count(info.train),
                             format_count(info.valid), format_count(info.test)));
  line("placement", fmt::format("deal {}, order {}, {} virtual blocks, seed {}; {}x{} stored tiles",
                                layout::name(info.deal), layout::name(info.order), info.virtual_blocks,
                                info.seed, info.tiles_per_side, info.tiles_per_side));
  line("parts", info.parts == 0 ? "none" : format_count(info.parts));
  line("checksum", info.checksum);
  return text;
}

class Info : public Command {
 public:
  explicit Info(CLI::App& app)
      : Info(*app.add_subcommand("info",
                                 "Counts, degrees, memory, balance and checksums of a prepared dataset"),
             0) {}

  void run(const Environment& environment) override {
    device::Context context;
    const std::shared_ptr<graph::Store> store = graph::Store::open(file_);
    const graph::StoreInfo& info = store->info();
    const graph::DegreeSummary degrees = graph::summarise_degrees(context, *store);
    Json json = store_json(info, degrees);
    std::string text = counts_text(info, degrees);
    OPX_REQUIRE(
        device_ != "cpu" || (features_on_ == "device" && build_batches_ == "auto" && gpu_memory_.empty()),
        InvalidArgument,
        "--features-on, --build-batches and --gpu-memory are for the plan of a GPU: --device cuda");
    if (device_ == "cpu")
      add_memory(info, json, text);
    else
      add_gpu_memory(info, json, text);
    if (!grid_.empty() || tiles_ > 0) add_balance(context, *store, json, text);
    if (schemes_) add_schemes(info, json, text);
    if (verify_) {
      graph::verify_store(file_);
      text += "verified     the content has its checksums\n";
      json["verified"] = true;
    }
    if (provenance_) text += "provenance   " + info.provenance + '\n';
    environment.out(environment.json ? json.dump(2) + '\n' : text);
  }

 private:
  Info(CLI::App& sub, int) {
    sub.footer(std::string(kFooter));
    sub.add_option("file", file_, "Prepared dataset")->required();
    sub.add_option("--grid", grid_, "Grid XxYxZ for memory, balance and words [1x1x1]")->type_name("GRID");
    sub.add_option("--tiles", tiles_, "Balance over T x T tiles (the grid Tx2xT, layer 0)")->type_name("T");
    sub.add_flag(
        "--schemes", schemes_,
        "Words a step moves, scatter against all-reduce, for every grid of as many ranks as --grid has");
    sub.add_option("--layers", model_.layers,
                   fmt::format("Layers of the model for --schemes and memory [{}]", model_.layers))
        ->type_name("INT");
    sub.add_option("--hidden", model_.hidden,
                   fmt::format("Width of its hidden layers [{}]", fmt::join(model_.hidden, ",")))
        ->delimiter(',')
        ->type_name("INT");
    sub.add_option(
           "--batch-ratio", batch_ratio_,
           "Memory of training on mini-batches of this share of the vertices; 0: on the full graph [0]")
        ->check(CLI::Range(0.0, 1.0))
        ->type_name("REAL");
    sub.add_option(
           "--device", device_,
           "Memory of a rank on the CPU, or the plan of its GPU in both modes (no GPU is needed) [cpu]")
        ->check(CLI::IsMember({"cpu", "cuda", "gpu-host"}));
    sub.add_option("--gpu-memory", gpu_memory_,
                   "Of a GPU, for the plan: 80GiB [that of GPU 0, if there is one]")
        ->type_name("SIZE");
    sub.add_option("--features-on", features_on_, "Of the GPU's plan: device or host [device]")
        ->check(CLI::IsMember({"device", "host"}));
    sub.add_option("--build-batches", build_batches_,
                   "Of the GPU's plan, mode mini: auto, cpu or gpu, as train has it [auto]")
        ->check(CLI::IsMember({"auto", "cpu", "gpu"}));
    sub.add_option("--wire", wire_, "Type on the wire, for memory [fp32]")
        ->check(CLI::IsMember({"fp32", "bf16"}));
    sub.add_option("--seed", seed_, "Seed of the policies that are compared [0]")->type_name("INT");
    sub.add_flag("--verify", verify_, "Read everything and compare with the checksums in the file");
    sub.add_flag("--provenance", provenance_, "The record of command, inputs and counts too");
  }

  [[nodiscard]] layout::Grid grid() const {
    OPX_REQUIRE(grid_.empty() || tiles_ == 0, InvalidArgument,
                "--grid and --tiles say the same thing; give one");
    if (tiles_ > 0) return {tiles_, 2, tiles_, 1};
    return grid_.empty() ? layout::Grid{} : layout::parse_grid(grid_);
  }

  [[nodiscard]] train::RunConfig config_of(const graph::StoreInfo& info, bool mini) const {
    train::RunConfig config;
    config.model = model_;
    config.wire = wire_;
    if (info.feature_dim > 0) config.features_on = features_on_;
    if (info.feature_dim == 0) config.model.features = "learned";
    if (mini) config.mode = "mini", config.mini.build_batches = build_batches_;
    if (mini && batch_ratio_ > 0) config.mini.batch_ratio = batch_ratio_;
    train::resolve(config);
    train::validate(config);
    return config;
  }

  void add_memory(const graph::StoreInfo& info, Json& json, std::string& text) const {
    const train::RunConfig config = config_of(info, batch_ratio_ > 0);
    const train::MemoryEstimate estimate = train::estimate_memory(
        info, grid(), config, train::make_spec(config, input_width(info), std::max<Index>(info.classes, 1)));
    text +=
        fmt::format("memory of a rank that trains {} on grid {}, {} layers of {} (model):\n",
                    batch_ratio_ > 0 ? fmt::format("batches of {} rows", format_count(estimate.batch_rows))
                                     : std::string("the full graph"),
                    layout::to_string(grid()), model_.layers, fmt::join(model_.hidden, ","));
    for (const train::MemoryComponent& item : estimate.components) {
      text += fmt::format("  {:<28} {}\n", item.name, format_bytes(static_cast<double>(item.bytes)));
      json["memory"][item.name] = item.bytes;
    }
    text += fmt::format("  {:<28} {}\n", "total", format_bytes(static_cast<double>(estimate.total())));
    json["memory"]["total"] = estimate.total();
  }

  void add_gpu_memory(const graph::StoreInfo& info, Json& json, std::string& text) const {
    const std::int64_t memory = gpu_memory_of(device_, gpu_memory_);
    for (const bool mini : {false, true}) {
      if (mini && info.feature_dim == 0) continue;  // that mode does not train learned features
      add_gpu_plan(info, grid(), config_of(info, mini), memory, json, text);
    }
  }
  [[nodiscard]] Index input_width(const graph::StoreInfo& info) const {
    return info.feature_dim > 0 ? info.feature_dim : model_.feature_dim;
  }

  void add_balance(device::Context& context, const graph::Store& store, Json& json, std::string& text) const {
    text += fmt::format("max / mean non-zeros over the {} x {} tiles of layer 0 on grid {}:\n", grid().gz,
                        grid().gx, layout::to_string(grid()));
    for (const layout::Imbalance& row : graph::measure_imbalance(context, store, grid(), seed_)) {
      text += fmt::format("  {:<28} {:7.3f}\n", row.policy, row.max_over_mean);
      json["imbalance"][row.policy] = row.max_over_mean;
    }
  }

  void add_schemes(const graph::StoreInfo& info, Json& json, std::string& text) const {
    parallel::SchemeModel model;
    model.vertices = info.vertices;
    model.widths = train::layer_widths(model_, input_width(info), info.classes);
    model.cached_first_aggregation = info.feature_dim > 0;
    const std::vector<parallel::SchemeWords> rows = parallel::compare_schemes(model, grid().tensor_ranks());
    text += fmt::format("words a rank receives in a step, widths {}:\n  {:<10} {:>16} {:>16} {:>7} {:>14}\n",
                        fmt::join(model.widths, "-"), "grid", "scatter", "all-reduce", "ratio", "gradients");
    for (const parallel::SchemeWords& row : rows) {
      const double ratio =
          row.scatter > 0 ? static_cast<double>(row.allreduce) / static_cast<double>(row.scatter) : 0;
      text += fmt::format("  {:<10} {:>16} {:>16} {:>7.2f} {:>14}\n", layout::to_string(row.grid),
                          format_count(row.scatter), format_count(row.allreduce), ratio,
                          format_count(row.gradients));
      json["schemes"].push_back({{"grid", layout::to_string(row.grid)},
                                 {"scatter", row.scatter},
                                 {"allreduce", row.allreduce},
                                 {"gradients", row.gradients}});
    }
    const parallel::SchemeWords& best = parallel::best_scatter(rows);
    const parallel::SchemeWords& rival = parallel::best_allreduce(rows);
    text += fmt::format("  each at its best grid: scatter {} on {}, all-reduce {} on {}\n",
                        format_count(best.scatter), layout::to_string(best.grid),
                        format_count(rival.allreduce), layout::to_string(rival.grid));
  }

  std::string file_, grid_;
  int tiles_ = 0;
  bool schemes_ = false, provenance_ = false, verify_ = false;
  std::uint64_t seed_ = 0;
  double batch_ratio_ = 0;
  std::string device_ = "cpu", gpu_memory_, wire_ = "fp32", features_on_ = "device", build_batches_ = "auto";
  train::ModelConfig model_;
};

}  // namespace

std::unique_ptr<Command> declare_info(CLI::App& app) { return std::make_unique<Info>(app); }

}  // namespace opx::cli
