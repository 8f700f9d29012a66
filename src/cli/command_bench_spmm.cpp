// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// `bench spmm`: the aggregation kernel on the whole adjacency of a store, beside the bound that memory sets.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/command.hpp"
#include "graph/store.hpp"
#include "parallel/shard_loader.hpp"
#include "spmm/measure.hpp"

namespace opx::cli {

namespace {

using Json = nlohmann::ordered_json;

class Spmm : public Command {
 public:
  explicit Spmm(CLI::App& sub) {
    sub.add_option("file", file_, "Prepared dataset")->required();
    sub.add_option("--cols", options_.cols, fmt::format("Columns of the features [{}]", options_.cols))
        ->type_name("INT");
    sub.add_option("--repeats", options_.repeats, fmt::format("Timed runs [{}]", options_.repeats))
        ->type_name("INT");
    sub.add_option("--threads", threads_, "Threads; 0: all cores [0]")->type_name("INT");
    sub.footer("Example:\n  orthoplex bench spmm rmat20.opx --cols 128");
  }

  void run(const Environment& environment) override {
    OPX_REQUIRE(options_.cols >= 1 && options_.repeats >= 1, InvalidArgument,
                "--cols is {} and --repeats is {}; both take at least 1", options_.cols, options_.repeats);
    device::ContextOptions context_options;
    context_options.threads = threads_;
    device::Context context(std::move(context_options));
    const std::shared_ptr<graph::Store> store = graph::Store::open(file_);
    const std::unique_ptr<comm::Communicator> self = comm::self_communicator();
    parallel::ProcessGrid grid(*self, {});
    const layout::GraphShard shard = parallel::load_shard(context, grid, *store, {.need_backward = false});
    const spmm::CsrView a = shard.forward(0).view();
    options_.factors = shard.forward(0).factors();
    Json rows = Json::array();
    std::string text =
        fmt::format("{}: {} rows, {} non-zeros, {} columns, {} threads\n", file_, base::format_count(a.rows),
                    base::format_count(a.nnz()), options_.cols, context.threads());
    for (const bool bf16 : {false, true}) {
      options_.bf16 = bf16;
      add(spmm::measure(context, a, options_), rows, text);
    }
    environment.out(environment.json ? rows.dump(2) + '\n' : text);
  }

 private:
  void add(const spmm::Measurement& m, Json& rows, std::string& text) const {
    const char* type = options_.bf16 ? "bf16" : "fp32";
    text += fmt::format(
        "{}  median {:.4f} s (p10 {:.4f}, p90 {:.4f}), {:.1f} GFLOP/s, {}\n"
        "      bound {:.4f} s: {} at {:.1f} GB/s, {:.1f} % of row accesses miss {}; ratio {:.2f}\n"
        "      (with the nominal cache, {}: {:.4f} s, {:.1f} %, ratio {:.2f}); error {:.1e}\n",
        type, m.seconds.median, m.seconds.p10, m.seconds.p90, m.flops / m.seconds.median / 1e9, m.target,
        m.bound.seconds, base::format_bytes(m.bound.bytes), m.read_bandwidth / 1e9,
        m.bound.missed_share * 100, base::format_bytes(static_cast<double>(m.bound.cache_bytes)),
        m.bound.ratio, base::format_bytes(static_cast<double>(m.nominal.cache_bytes)), m.nominal.seconds,
        m.nominal.missed_share * 100, m.nominal.ratio, m.largest_error);
    rows.push_back({{"type", type},
                    {"median", m.seconds.median},
                    {"p10", m.seconds.p10},
                    {"p90", m.seconds.p90},
                    {"flops", m.flops},
                    {"bound_seconds", m.bound.seconds},
                    {"bound_bytes", m.bound.bytes},
                    {"read_bandwidth", m.read_bandwidth},
                    {"cache_bytes", m.bound.cache_bytes},
                    {"missed_share", m.bound.missed_share},
                    {"ratio_to_bound", m.bound.ratio},
                    {"nominal_cache_bytes", m.nominal.cache_bytes},
                    {"ratio_to_nominal_bound", m.nominal.ratio},
                    {"largest_error", m.largest_error},
                    {"target", m.target}});
  }

  std::string file_;
  spmm::MeasureOptions options_;
  int threads_ = 0;
};

}  // namespace

std::unique_ptr<Command> declare_bench_spmm(CLI::App& bench) {
  return std::make_unique<Spmm>(*bench.add_subcommand(
      "spmm", "The aggregation kernel, fp32 and bf16 features, with its result checked"));
}

}  // namespace opx::cli
