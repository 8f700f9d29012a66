// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "cli/command.hpp"
#include "cli/prepare_flags.hpp"
#include "graph/export.hpp"
#include "graph/generate.hpp"

namespace opx::cli {

namespace {

constexpr std::string_view kFooter = R"(Examples:
  orthoplex generate partition -o demo.opx --vertices 20000 --classes 8
  orthoplex generate rmat -o rmat20.opx --scale 20 --feature-dim 128 --classes 47
  orthoplex generate road -o road.opx --side 1000
  orthoplex generate partition -o demo --format ogbn-csv
The same seed gives the same graph, with any number of threads.)";

/// Adds "--name VALUE" that shows the slot's default.
template <class T>
void number(CLI::App& app, const std::string& flag, T& slot, const std::string& help) {
  app.add_option(flag, slot, fmt::format("{} [{}]", help, slot))
      ->type_name(std::is_floating_point_v<T> ? "REAL" : "INT");
}

/// One kind of graph: its own flags, then those of preparing it.
class Kind {
 public:
  explicit Kind(CLI::App& sub) : sub_(sub), flags_(sub, sub.get_name() + ".opx") {
    sub.add_option("--format", format_, "A store, or a folder of csv.gz files as OGB publishes them [opx]")
        ->type_name("opx|ogbn-csv");
  }
  Kind(const Kind&) = delete;
  Kind& operator=(const Kind&) = delete;
  virtual ~Kind() = default;
  [[nodiscard]] bool chosen() const { return sub_.parsed(); }
  void run(const Environment& environment) const {
    device::ContextOptions threads;
    threads.threads = flags_.threads();
    device::Context context(std::move(threads));
    const double started = base::now_seconds();
    if (format_ == "opx")
      return flags_.run(environment, make(context), flags_.output(sub_.get_name()), started);
    OPX_REQUIRE(format_ == "ogbn-csv", InvalidArgument, "--format is '{}'; it takes opx|ogbn-csv", format_);
    write_folder(environment, context);
  }

 protected:
  [[nodiscard]] virtual graph::RawDataset make(device::Context& context) const = 0;
  CLI::App& sub_;

 private:
  /// Each undirected edge stands once in the files, as generators give them.
  void write_folder(const Environment& environment, device::Context& context) const {
    std::filesystem::path folder = flags_.output(sub_.get_name());
    if (folder.extension() == ".opx") folder.replace_extension();
    graph::export_ogbn_csv(context, make(context), folder);
    const nlohmann::ordered_json report = {{"output", folder.string()}};
    environment.out(
        environment.json
            ? report.dump(2) + '\n'
            : fmt::format("written to {0}; read it with 'orthoplex prepare {0} --add-inverse-edge'\n",
                          folder.string()));
  }

  std::string format_ = "opx";
  PrepareFlags flags_;
};

class Rmat final : public Kind {
 public:
  explicit Rmat(CLI::App& app)
      : Kind(*app.add_subcommand("rmat", "R-MAT: skewed degrees, no classes to learn (for measurements)")) {
    number(sub_, "--scale", options_.scale, "2^scale vertices");
    number(sub_, "--edge-factor", options_.edge_factor, "Undirected edges a vertex, before duplicates merge");
    number(sub_, "--a", options_.a, "Probability of the first quadrant");
    number(sub_, "--b", options_.b, "Of the second");
    number(sub_, "--c", options_.c, "Of the third");
    number(sub_, "--feature-dim", options_.feature_dim, "Columns of N(0, 1) features; 0: none");
    number(sub_, "--classes", options_.classes, "Classes drawn uniformly; 0: no labels");
    number(sub_, "--seed", options_.seed, "Seed of the graph");
  }

 private:
  [[nodiscard]] graph::RawDataset make(device::Context& context) const override {
    return graph::generate_rmat(context, options_);
  }
  graph::RmatOptions options_;
};

class Partition final : public Kind {
 public:
  explicit Partition(CLI::App& app)
      : Kind(*app.add_subcommand("partition",
                                 "Degree-corrected planted partition: classes to learn, not trivially")) {
    number(sub_, "--vertices", options_.vertices, "Vertices");
    number(sub_, "--classes", options_.classes, "Classes of equal expected size");
    number(sub_, "--average-degree", options_.average_degree, "Mean degree, before duplicates merge");
    number(sub_, "--homophily", options_.homophily, "Share of edges within a class");
    number(sub_, "--exponent", options_.exponent, "Of the power law of degrees, above 2");
    number(sub_, "--feature-dim", options_.feature_dim, "Feature columns");
    number(sub_, "--signal", options_.signal,
           "Length of the class centres; the noise is N(0, 1) in each column");
    number(sub_, "--label-noise", options_.label_noise, "Share of labels replaced by a random one");
    number(sub_, "--label-rate", options_.label_rate, "Share of vertices with a label");
    number(sub_, "--train", options_.train, "Share of the labelled vertices in the training split");
    number(sub_, "--valid", options_.valid, "Share in the validation split; the rest is test");
    number(sub_, "--seed", options_.seed, "Seed of the graph");
  }

 private:
  [[nodiscard]] graph::RawDataset make(device::Context& context) const override {
    return graph::generate_partition(context, options_);
  }
  graph::PartitionOptions options_;
};

class Road final : public Kind {
 public:
  explicit Road(CLI::App& app)
      : Kind(*app.add_subcommand(
            "road", "Lattice with edges missing: low degrees and locality, like a road network")) {
    number(sub_, "--side", options_.side, "side x side vertices");
    number(sub_, "--keep", options_.keep, "Probability that an edge is there");
    number(sub_, "--feature-dim", options_.feature_dim, "Columns of N(0, 1) features; 0: none");
    number(sub_, "--classes", options_.classes, "Classes drawn uniformly; 0: no labels");
    number(sub_, "--seed", options_.seed, "Seed of the graph");
  }

 private:
  [[nodiscard]] graph::RawDataset make(device::Context& context) const override {
    return graph::generate_road(context, options_);
  }
  graph::RoadOptions options_;
};

class Generate : public Command {
 public:
  explicit Generate(CLI::App& app) {
    CLI::App* sub = app.add_subcommand("generate", "Make a synthetic graph and write it as a *.opx store");
    sub->require_subcommand(1)->footer(std::string(kFooter));
    kinds_.push_back(std::make_unique<Partition>(*sub));
    kinds_.push_back(std::make_unique<Rmat>(*sub));
    kinds_.push_back(std::make_unique<Road>(*sub));
    for (CLI::App* kind : sub->get_subcommands([](const CLI::App*) { return true; })) kind->fallthrough();
  }
  void run(const Environment& environment) override {
    for (const auto& kind : kinds_) {
      if (kind->chosen()) kind->run(environment);
    }
  }

 private:
  std::vector<std::unique_ptr<Kind>> kinds_;
};

}  // namespace

std::unique_ptr<Command> declare_generate(CLI::App& app) { return std::make_unique<Generate>(app); }

}  // namespace opx::cli
