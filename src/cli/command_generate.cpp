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
  Kind(const std::string& name, const std::string& help, CLI::App& app)
      : sub_(*app.add_subcommand(name, help)), flags_(sub_, name + ".opx") {
    sub_.add_option("--format", format_, "A store, or a folder of csv.gz files as OGB publishes them [opx]")
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
    flags_.refuse_store_flags("it is for a store, and --format is ogbn-csv");
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

/// A kind by its options and its generator. `declare` adds the flags that other kinds have not.
template <class Options, graph::RawDataset (*generate)(device::Context&, const Options&)>
class KindOf final : public Kind {
 public:
  KindOf(const std::string& name, const std::string& help, CLI::App& app,
         void (*declare)(CLI::App&, Options&))
      : Kind(name, help, app) {
    declare(sub_, options_);
    number(sub_, "--seed", options_.seed, "Seed of the graph");
  }

 private:
  [[nodiscard]] graph::RawDataset make(device::Context& context) const override {
    return generate(context, options_);
  }
  Options options_;
};
using Rmat = KindOf<graph::RmatOptions, graph::generate_rmat>;
using Partition = KindOf<graph::PartitionOptions, graph::generate_partition>;
using Road = KindOf<graph::RoadOptions, graph::generate_road>;

/// Of a graph that has nothing to learn.
template <class Options>
void drawn_content(CLI::App& sub, Options& options) {
  number(sub, "--feature-dim", options.feature_dim, "Columns of N(0, 1) features; 0: none");
  number(sub, "--classes", options.classes, "Classes drawn uniformly; 0: no labels");
}

void declare_rmat(CLI::App& sub, graph::RmatOptions& options) {
  number(sub, "--scale", options.scale, "2^scale vertices");
  number(sub, "--edge-factor", options.edge_factor, "Undirected edges a vertex, before duplicates merge");
  number(sub, "--a", options.a, "Probability of the first quadrant");
  number(sub, "--b", options.b, "Of the second");
  number(sub, "--c", options.c, "Of the third");
  drawn_content(sub, options);
}

void declare_partition(CLI::App& sub, graph::PartitionOptions& options) {
  number(sub, "--vertices", options.vertices, "Vertices");
  number(sub, "--classes", options.classes, "Classes of equal expected size");
  number(sub, "--average-degree", options.average_degree, "Mean degree, before duplicates merge");
  number(sub, "--homophily", options.homophily, "Share of edges within a class");
  number(sub, "--exponent", options.exponent, "Of the power law of degrees, above 2");
  number(sub, "--feature-dim", options.feature_dim, "Feature columns");
  number(sub, "--signal", options.signal, "Length of the class centres; the noise is N(0, 1) in each column");
  number(sub, "--label-noise", options.label_noise, "Share of labels replaced by a random one");
  number(sub, "--label-rate", options.label_rate, "Share of vertices with a label");
  number(sub, "--train", options.train, "Share of the labelled vertices in the training split");
  number(sub, "--valid", options.valid, "Share in the validation split; the rest is test");
}

void declare_road(CLI::App& sub, graph::RoadOptions& options) {
  number(sub, "--side", options.side, "side x side vertices");
  number(sub, "--keep", options.keep, "Probability that an edge is there");
  drawn_content(sub, options);
}

class Generate : public Command {
 public:
  explicit Generate(CLI::App& app) {
    CLI::App* sub = app.add_subcommand("generate", "Make a synthetic graph and write it as a *.opx store");
    sub->require_subcommand(1)->footer(std::string(kFooter));
    kinds_.push_back(std::make_unique<Partition>(
        "partition", "Degree-corrected planted partition: classes to learn, not trivially", *sub,
        declare_partition));
    kinds_.push_back(std::make_unique<Rmat>(
        "rmat", "R-MAT: skewed degrees, no classes to learn (for measurements)", *sub, declare_rmat));
    kinds_.push_back(std::make_unique<Road>(
        "road", "Lattice with edges missing: low degrees and locality, like a road network", *sub,
        declare_road));
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
