// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include "cli/command.hpp"

namespace opx::cli {

namespace {

class Bench : public Command {
 public:
  explicit Bench(CLI::App& app) {
    bench_ =
        app.add_subcommand("bench", "Measure parts of the program, beside the bound that the machine sets");
    bench_->require_subcommand(1)->footer(
        "Examples:\n  orthoplex bench spmm rmat20.opx --cols 128\n  orthoplex bench epoch rmat20.opx "
        "--layers 3\n"
        "  mpirun -n 4 orthoplex bench collectives");
    for (const auto declare : {declare_bench_spmm, declare_bench_collectives, declare_bench_epoch})
      commands_.push_back(declare(*bench_));
    for (CLI::App* sub : bench_->get_subcommands([](const CLI::App*) { return true; })) {
      subs_.push_back(sub);
      sub->fallthrough();
    }
  }
  void run(const Environment& environment) override {
    for (std::size_t i = 0; i < subs_.size(); ++i) {
      if (subs_[i]->parsed()) commands_[i]->run(environment);
    }
  }

 private:
  CLI::App* bench_;
  std::vector<CLI::App*> subs_;
  std::vector<std::unique_ptr<Command>> commands_;
};

}  // namespace

std::unique_ptr<Command> declare_bench(CLI::App& app) { return std::make_unique<Bench>(app); }

}  // namespace opx::cli
