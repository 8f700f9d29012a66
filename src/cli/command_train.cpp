// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "cli/command.hpp"
#include "cli/job.hpp"
#include "cli/progress.hpp"
#include "cli/run_flags.hpp"
#include "cli/run_folder.hpp"
#include "cli/run_report.hpp"
#include "device/context.hpp"
#include "layout/grid.hpp"
#include "train/session.hpp"

namespace opx::cli {

namespace {

constexpr std::string_view kFooter = R"(Examples:
  orthoplex train demo.opx
  orthoplex train arxiv.opx --model sage --hidden 256 --norm batch --ranks 2 --epochs 500
  orthoplex train --config run.toml --seed 3
  orthoplex train --resume runs/arxiv
  mpirun -n 8 orthoplex train arxiv.opx --grid 2x2x2
Ctrl-C writes a checkpoint and leaves.)";

class Train : public Command {
 public:
  explicit Train(CLI::App& app)
      : flags_(*app.add_subcommand("train",
                                   "Train a model on the full graph or on mini-batches of a prepared dataset")
                    ->footer(std::string(kFooter))) {}

  void run(const Environment& environment) override {
    RunChoice choice = flags_.read();
    const bool resumed = !choice.config.resume.empty();
    if (resumed) choice = take_up(choice.config.resume);
    choice.finish();
    train::RunConfig& config = choice.config;
    OPX_REQUIRE(!config.dataset.empty(), InvalidArgument, "no dataset: orthoplex train DATASET.opx");
    const int ranks = job_ranks(config, choice.given.has("ranks"));
    config.ranks = ranks;
    if (resumed && !choice.given.has("grid")) fit_grid(config);
    const train::TrainResult result = train_all(environment, config, ranks);
    environment.out(environment.json ? train_json(result).dump(2) + '\n' : train_text(result));
  }

 private:
  /// A run that is resumed goes on with its own configuration, in its own folder.
  [[nodiscard]] RunChoice take_up(const std::filesystem::path& resume) const {
    train::RunConfig base;
    const std::filesystem::path folder = run_folder_of(resume);
    train::read_recorded_toml(base, folder / "config.toml");
    RunChoice choice = flags_.read(std::move(base));
    if (!choice.given.has("run_dir")) choice.config.run_dir = folder.string();
    return choice;
  }

  /// A run goes on with other ranks than it had: its resolved grid is no longer what was asked for.
  static void fit_grid(train::RunConfig& config) {
    if (config.grid != "auto" && layout::parse_grid(config.grid).ranks() != config.ranks)
      config.grid = "auto";
  }

  static train::TrainResult train_all(const Environment& environment, const train::RunConfig& config,
                                      int ranks) {
    Progress progress(environment);
    train::TrainResult result;
    run_ranks(environment, config, ranks, [&](comm::Communicator& world) {
      const bool first = world.rank() == 0;
      device::Context context(context_of_rank(environment, config, world));
      train::Hooks hooks;
      hooks.stop_requested = environment.stop_requested;
      if (first) {
        hooks.on_epoch = [&](const train::EpochReport& report) {
          const double fraction = report.epochs > 0 ? static_cast<double>(report.epoch) / report.epochs : 1.0;
          progress.update(fraction, epoch_line(report), report.epoch == report.epochs);
        };
      }
      train::TrainResult own = train::train(context, world, config, hooks);
      if (first) result = std::move(own);
    });
    return result;
  }

  RunFlags flags_;
};

}  // namespace

std::unique_ptr<Command> declare_train(CLI::App& app) { return std::make_unique<Train>(app); }

}  // namespace opx::cli
