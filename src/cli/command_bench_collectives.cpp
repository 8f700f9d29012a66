// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// `bench collectives`: seconds and bandwidth of every collective over all ranks, each result checked.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "cli/job.hpp"
#include "comm/measure.hpp"

namespace opx::cli {

namespace {

using Json = nlohmann::ordered_json;

class Collectives : public Command {
 public:
  explicit Collectives(CLI::App& sub) {
    config_.ranks = 2;
    ranks_ = sub.add_option("--ranks", config_.ranks,
                            "Ranks as threads; under mpirun or srun the launcher decides [2]")
                 ->type_name("INT");
    sub.add_option("--bytes", sizes_, "Sizes of the long buffer of a rank [4KiB,64KiB,1MiB,16MiB]")
        ->delimiter(',')
        ->type_name("SIZE");
    sub.add_option("--repeats", options_.repeats, fmt::format("Timed calls of each [{}]", options_.repeats))
        ->type_name("INT");
    sub.footer(
        "Examples:\n  orthoplex bench collectives --ranks 4\n  mpirun -n 4 orthoplex bench collectives "
        "--bytes 64MiB");
  }

  void run(const Environment& environment) override {
    OPX_REQUIRE(options_.repeats >= 1, InvalidArgument, "--repeats is {}; it takes at least 1",
                options_.repeats);
    OPX_REQUIRE(config_.ranks >= 1, InvalidArgument, "--ranks is {}; it takes at least 1", config_.ranks);
    if (!sizes_.empty()) options_.bytes.clear();
    for (const std::string& size : sizes_) options_.bytes.push_back(base::parse_bytes(size, "--bytes"));
    std::vector<comm::MeasureRow> rows;
    std::string backend;
    run_ranks(environment, config_, job_ranks(config_, ranks_->count() > 0), [&](comm::Communicator& world) {
      std::vector<comm::MeasureRow> own = comm::measure_collectives(world, options_);
      if (world.rank() == 0) rows = std::move(own), backend = world.backend();
    });
    environment.out(environment.json ? as_json(rows, backend).dump(2) + '\n' : as_text(rows, backend));
  }

 private:
  static std::string as_text(const std::vector<comm::MeasureRow>& rows, const std::string& backend) {
    std::string text =
        fmt::format("backend {}\n{:<15} {:>5} {:>10} {:>11} {:>11} {:>11} {:>8} {:>7}\n", backend,
                    "collective", "ranks", "bytes", "median s", "p10 s", "p90 s", "GB/s", "ratio");
    for (const comm::MeasureRow& r : rows) {
      text += fmt::format("{:<15} {:>5} {:>10} {:>11.2e} {:>11.2e} {:>11.2e} {:>8.2f} {:>7.2f}\n", r.op,
                          r.ranks, base::format_bytes(static_cast<double>(r.bytes)), r.seconds_median,
                          r.seconds_p10, r.seconds_p90, r.gigabytes_per_second, r.bound_ratio);
    }
    return text;
  }
  static Json as_json(const std::vector<comm::MeasureRow>& rows, const std::string& backend) {
    Json json = Json::array();
    for (const comm::MeasureRow& r : rows) {
      json.push_back({{"collective", r.op},
                      {"backend", backend},
                      {"ranks", r.ranks},
                      {"bytes", r.bytes},
                      {"received_bytes", r.received_bytes},
                      {"median", r.seconds_median},
                      {"p10", r.seconds_p10},
                      {"p90", r.seconds_p90},
                      {"gigabytes_per_second", r.gigabytes_per_second},
                      {"ratio_to_bound", r.bound_ratio}});
    }
    return json;
  }

  train::RunConfig config_;
  comm::MeasureOptions options_;
  std::vector<std::string> sizes_;
  CLI::Option* ranks_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> declare_bench_collectives(CLI::App& bench) {
  return std::make_unique<Collectives>(
      *bench.add_subcommand("collectives", "Time every collective over all ranks, with its result checked"));
}

}  // namespace opx::cli
