// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// `eval` and `predict`: both take a run directory or a checkpoint and run one forward pass.
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "cli/command.hpp"
#include "cli/job.hpp"
#include "cli/run_flags.hpp"
#include "cli/run_report.hpp"
#include "device/context.hpp"
#include "train/checkpoint.hpp"
#include "train/session.hpp"

namespace opx::cli {

namespace {

bool is_forward_option(const train::Option& option) {
  // A forward pass always runs in the scatter scheme, whatever scheme trained.
  return is_rank_option(option) && option.key != "dataset" && option.key != "scheme";
}

/// What both share: the checkpoint, the dataset (by default that of the run) and the rank options.
class ForwardCommand : public Command {
 public:
  explicit ForwardCommand(CLI::App& sub) : flags_((add_inputs(sub), sub), is_forward_option) {}

 protected:
  [[nodiscard]] RunChoice configuration() const {
    // A checkpoint knows its configuration: it may have been moved out of its run directory.
    train::RunConfig base = train::read_checkpoint_info(checkpoint_).config;
    base.ranks = 1;
    base.grid = "auto";
    base.threads = 0;
    base.scheme = "scatter";
    RunChoice choice = flags_.read(std::move(base));
    if (!dataset_.empty()) choice.config.dataset = dataset_;
    choice.finish();
    return choice;
  }

  template <class Work>
  void on_ranks(const Environment& environment, RunChoice& choice, const Work& work) const {
    train::RunConfig& config = choice.config;
    const int ranks = job_ranks(config, choice.given.has("ranks"));
    config.ranks = ranks;
    run_ranks(environment, config, ranks, [&](comm::Communicator& world) {
      device::Context context(context_of_rank(environment, config, world));
      work(context, world);
    });
  }

  std::string checkpoint_, dataset_;

 private:
  void add_inputs(CLI::App& sub) {
    sub.add_option("checkpoint", checkpoint_, "Run directory (its newest checkpoint) or checkpoint")
        ->required();
    sub.add_option("--dataset", dataset_, "Prepared dataset [that of the run]")->type_name("FILE");
  }
  RunFlags flags_;
};

class Eval : public ForwardCommand {
 public:
  explicit Eval(CLI::App& app)
      : ForwardCommand(
            *app.add_subcommand("eval", "Losses and metrics of a checkpoint on every split")
                 ->footer(
                     "Examples:\n  orthoplex eval runs/demo\n  orthoplex eval runs/demo --ranks 4 --json")) {}

  void run(const Environment& environment) override {
    RunChoice choice = configuration();
    train::EvalResult result;
    on_ranks(environment, choice, [&](device::Context& context, comm::Communicator& world) {
      train::EvalResult own = train::evaluate(context, world, choice.config, checkpoint_);
      if (world.rank() == 0) result = std::move(own);
    });
    environment.out(environment.json ? eval_json(result).dump(2) + '\n' : eval_text(result));
  }
};

class Predict : public ForwardCommand {
 public:
  explicit Predict(CLI::App& app)
      : Predict(*app.add_subcommand("predict",
                                    "Write predictions or embeddings of every vertex, in the input's order"),
                0) {}

  void run(const Environment& environment) override {
    const std::filesystem::path output(output_);
    options_.output = output;
    const std::string extension = output.extension().string();
    OPX_REQUIRE(extension == ".h5" || extension == ".npy" || extension == ".csv", InvalidArgument,
                "--output is '{}'; it takes a file that ends in .h5, .npy or .csv", output_);
    RunChoice choice = configuration();
    on_ranks(environment, choice, [&](device::Context& context, comm::Communicator& world) {
      train::predict(context, world, choice.config, checkpoint_, options_);
    });
    environment.out(environment.json ? nlohmann::ordered_json{{"output", output_}}.dump(2) + '\n'
                                     : fmt::format("written to {}\n", output_));
  }

 private:
  Predict(CLI::App& sub, int) : ForwardCommand(sub) {
    sub.footer(
        "Examples:\n  orthoplex predict runs/demo -o classes.csv\n  orthoplex predict runs/demo -o h.npy "
        "--embeddings");
    sub.add_option("-o,--output", output_, "File to write: .h5, .npy or .csv")->required()->type_name("FILE");
    auto* embeddings =
        sub.add_flag("--embeddings", options_.embeddings, "The last hidden layer instead of the classes");
    sub.add_flag("--probabilities", options_.probabilities,
                 "One probability for each class instead of the class")
        ->excludes(embeddings);
  }
  std::string output_;
  train::PredictOptions options_;
};

}  // namespace

std::unique_ptr<Command> declare_eval(CLI::App& app) { return std::make_unique<Eval>(app); }
std::unique_ptr<Command> declare_predict(CLI::App& app) { return std::make_unique<Predict>(app); }

}  // namespace opx::cli
