// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// `bench epoch`: seconds of a training epoch by phase, with the first aggregation cached and recomputed, each
// phase beside its bound (one rank). On a GPU the host does not wait for phases: the epoch alone is timed.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/bench_statistics.hpp"
#include "cli/command.hpp"
#include "cli/epoch_bounds.hpp"
#include "cli/job.hpp"
#include "cli/process_memory.hpp"
#include "cli/run_flags.hpp"
#include "cli/scratch_folder.hpp"
#include "graph/store.hpp"
#include "train/network.hpp"
#include "train/session.hpp"

namespace opx::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kWarmups = 2;

struct EpochTimes {
  Quantiles seconds;
  std::map<std::string, double> by_phase;  // mean of the timed epochs, rank 0
  double loss = 0;
  std::int64_t peak_buffers = 0;
  bool on_gpu = false;
};

bool is_epoch_option(const train::Option& option) {
  // Both ways of the first aggregation are timed.
  if (option.key == "model.first_aggregation") return false;
  return is_rank_option(option) || option.key.starts_with("model.") || option.key.starts_with("optimizer.") ||
         option.key == "seed" || option.key == "cuda_graph";
}

class Epoch : public Command {
 public:
  explicit Epoch(CLI::App& sub) : flags_(sub, is_epoch_option) {
    sub.add_option("--repeats", repeats_,
                   fmt::format("Timed epochs, after {} to warm up [{}]", kWarmups, repeats_))
        ->type_name("INT");
    sub.footer("Example:\n  orthoplex bench epoch rmat20.opx --layers 3 --hidden 128 --threads 2");
  }

  void run(const Environment& environment) override {
    OPX_REQUIRE(repeats_ >= 1, InvalidArgument, "--repeats is {}; it takes at least 1", repeats_);
    RunChoice choice = flags_.read();
    train::RunConfig& config = choice.config;
    config.epochs = kWarmups + repeats_;
    config.eval_every = 0;
    choice.finish();
    OPX_REQUIRE(!config.dataset.empty(), InvalidArgument, "no dataset: orthoplex bench epoch DATASET.opx");
    const int ranks = job_ranks(config, choice.given.has("ranks"));
    config.ranks = ranks;
    // Both trainings first: what the bounds need would count in the peak of memory.
    constexpr std::array<const char*, 2> kFirst = {"cached", "recomputed"};
    std::vector<EpochTimes> times;
    for (const char* first : kFirst) {
      config.model.first_aggregation = first;
      environment.note(fmt::format("first aggregation {}: {} epochs", first, config.epochs));
      times.push_back(train_epochs(environment, config, ranks));
    }
    const std::int64_t resident = peak_resident_bytes();
    Json json = Json::array();
    std::string text;
    for (std::size_t i = 0; i < kFirst.size(); ++i) {
      config.model.first_aggregation = kFirst[i];
      Machine machine;
      std::map<std::string, double> bounds;
      if (ranks == 1 && config.model.kind == "gcn" && !times[i].on_gpu) bounds = bounds_of(config, machine);
      report(config, times[i], bounds, machine, json, text);
    }
    text += fmt::format("peak resident memory of the process while training {}\n",
                        base::format_bytes(static_cast<double>(resident)));
    environment.out(environment.json ? Json{{"runs", json}, {"peak_resident", resident}}.dump(2) + '\n'
                                     : text);
  }

 private:
  EpochTimes train_epochs(const Environment& environment, train::RunConfig config, int ranks) const {
    const ScratchFolder scratch;
    config.run_dir = (scratch.path() / "run").string();
    std::vector<double> seconds;
    EpochTimes times;
    int seen = 0;
    run_ranks(environment, config, ranks, [&](comm::Communicator& world) {
      device::ContextOptions options = context_of_rank(environment, config, world);
      options.logger = {};
      device::Context context(std::move(options));
      train::Hooks hooks;
      hooks.stop_requested = environment.stop_requested;
      if (world.rank() == 0) {
        hooks.on_epoch = [&](const train::EpochReport& epoch) {
          if (++seen <= kWarmups) return;
          seconds.push_back(epoch.seconds);
          if (context.on_gpu()) return;
          for (const auto& [phase, value] : epoch.seconds_by_phase) times.by_phase[phase] += value / repeats_;
        };
      }
      const train::TrainResult result = train::train(context, world, config, hooks);
      if (world.rank() != 0) return;
      times.loss = result.final_loss, times.peak_buffers = result.peak_memory;
      times.on_gpu = context.on_gpu();
    });
    if (!seconds.empty()) times.seconds = quantiles(seconds);
    return times;
  }

  static std::map<std::string, double> bounds_of(const train::RunConfig& config, Machine& machine) {
    device::ContextOptions options;
    options.threads = config.threads;
    device::Context context(std::move(options));
    const std::shared_ptr<graph::Store> store = graph::Store::open(config.dataset);
    const Index input =
        config.model.features == "learned" ? config.model.feature_dim : store->info().feature_dim;
    return epoch_bounds(context, *store, train::make_spec(config, input, store->info().classes), machine);
  }

  static void report(const train::RunConfig& config, const EpochTimes& times,
                     const std::map<std::string, double>& bounds, const Machine& machine, Json& json,
                     std::string& text) {
    text += fmt::format(
        "first aggregation {}: epoch median {:.4f} s (p10 {:.4f}, p90 {:.4f}), loss {:.6f}, peak of buffers "
        "{}{}\n",
        config.model.first_aggregation, times.seconds.median, times.seconds.p10, times.seconds.p90,
        times.loss, base::format_bytes(static_cast<double>(times.peak_buffers)),
        times.on_gpu ? ", on a GPU" : "");
    Json phases = Json::object();
    for (const auto& [phase, seconds] : times.by_phase) {
      const auto bound = bounds.find(phase);
      if (seconds <= 0 && bound == bounds.end()) continue;
      text += fmt::format("  {:<12} {:>9.4f} s", phase, seconds);
      phases[phase]["seconds"] = seconds;
      if (bound != bounds.end() && seconds > 0) {
        text += fmt::format("   bound {:>9.4f} s   ratio {:.2f}", bound->second, bound->second / seconds);
        phases[phase]["bound"] = bound->second;
        phases[phase]["ratio"] = bound->second / seconds;
      }
      text += '\n';
    }
    if (!bounds.empty()) {
      text += fmt::format(
          "  bounds from {:.1f} GB/s read, {:.1f} GB/s triad, {:.0f} GFLOP/s, measured in this run\n",
          machine.read_bandwidth / 1e9, machine.triad_bandwidth / 1e9, machine.gemm_flops / 1e9);
    }
    json.push_back({{"first_aggregation", config.model.first_aggregation},
                    {"median", times.seconds.median},
                    {"p10", times.seconds.p10},
                    {"p90", times.seconds.p90},
                    {"loss", times.loss},
                    {"peak_buffers", times.peak_buffers},
                    {"device", times.on_gpu ? "gpu" : "cpu"},
                    {"phases", phases}});
  }

  RunFlags flags_;
  int repeats_ = 5;
};

}  // namespace

std::unique_ptr<Command> declare_bench_epoch(CLI::App& bench) {
  return std::make_unique<Epoch>(
      *bench.add_subcommand("epoch", "A training epoch by phase, first aggregation cached and not"));
}

}  // namespace opx::cli
