// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include <CLI/CLI.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "base/timer.hpp"
#include "cli/command.hpp"
#include "cli/prepare_flags.hpp"
#include "graph/source.hpp"

namespace opx::cli {

namespace {

constexpr std::string_view kFooter = R"(Examples:
  orthoplex prepare ogbn_arxiv/ -o arxiv.opx
  orthoplex prepare papers100M-bin.zip --memory 8GiB --feature-type fp16
  orthoplex prepare edges.txt.gz --labels labels.csv --features x.npy --split 0.6/0.2/0.2
Layouts are recognised by what the path is and holds; --layout says it where that is not enough.)";

/// Threads that reading, unpacking and sorting keep busy: parsing on several pays off only beyond them.
constexpr int kBusyAnyway = 2;

class Prepare : public Command {
 public:
  explicit Prepare(CLI::App& app)
      : Prepare(*app.add_subcommand("prepare", "Turn a dataset as published into a *.opx store"), 0) {}

  void run(const Environment& environment) override {
    const double started = base::now_seconds();
    open_.memory = flags_.memory();
    const std::filesystem::path input(input_);
    const std::filesystem::path output = flags_.output(input);
    const int threads = flags_.threads() > 0 ? flags_.threads() : device::hardware_threads();
    std::optional<device::Context> parsing;
    if (threads > kBusyAnyway) open_.context = &parsing.emplace(device::ContextOptions{.threads = threads});
    open_.temporary_folder = flags_.temporary_folder(output);
    const bool other_split =
        !open_.train.empty() || !open_.valid.empty() || !open_.test.empty() || !open_.split_name.empty();
    OPX_REQUIRE(!flags_.splits() || !other_split, InvalidArgument,
                "--split draws the split, so that --train, --valid, --test and --split-name have no effect");
    graph::RawDataset dataset = graph::open_dataset(input, open_);
    environment.note(fmt::format("{}: layout {}", input_, dataset.layout));
    for (const std::string& warning : dataset.warnings) environment.note("warning: " + warning);
    flags_.run(environment, std::move(dataset), output, started);
  }

 private:
  Prepare(CLI::App& sub, int) : flags_(sub, "the input's name with .opx") {
    sub.footer(std::string(kFooter));
    sub.add_option("input", input_, "Folder, zip or file of the dataset")->required();
    const std::string group = "Input";
    std::string layouts;
    for (const std::string& name : graph::layout_names()) layouts += (layouts.empty() ? "" : ", ") + name;
    sub.add_option("--layout", open_.layout, "Layout of the input: auto, " + layouts + " [auto]")
        ->group(group)
        ->type_name("NAME");
    const auto file = [&](const std::string& flag, std::filesystem::path& path, const std::string& help) {
      sub.add_option_function<std::string>(
             flag, [&path](const std::string& text) { path = text; }, help)
          ->group(group)
          ->type_name("FILE");
    };
    file("--features", open_.features, "Features of a bare edge list (npy, csv, .gz)");
    file("--labels", open_.labels, "Labels of a bare edge list (npy, csv, .gz)");
    file("--train", open_.train, "Ids of the training split");
    file("--valid", open_.valid, "Ids of the validation split");
    file("--test", open_.test, "Ids of the test split");
    sub.add_option("--split-name", open_.split_name,
                   "Folder below split/, or column of the masks, where there are several")
        ->group(group)
        ->type_name("NAME");
    sub.add_flag("--directed", open_.directed, "An edge list's edges have a direction")->group(group);
    sub.add_flag("--keyed", open_.keyed,
                 "Labels and splits name vertices by the ids of the edge list: rows are id,label and id")
        ->group(group);
    sub.add_option("--vertices", open_.vertices, "Number of vertices [from the input]")
        ->group(group)
        ->type_name("INT");
    sub.add_option("--classes", open_.classes, "Number of classes [from the registry or the labels]")
        ->group(group)
        ->type_name("INT")
        ->check(CLI::PositiveNumber);
  }
  std::string input_;
  graph::OpenOptions open_;
  PrepareFlags flags_;
};

}  // namespace

std::unique_ptr<Command> declare_prepare(CLI::App& app) { return std::make_unique<Prepare>(app); }

}  // namespace opx::cli
