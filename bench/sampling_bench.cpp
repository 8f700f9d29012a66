// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What a sub-batch costs: draws and cuts sub-batches of an R-MAT graph on one rank and prints seconds beside
// the bound of memory. Checks first, on a small graph, that a sub-batch is the naive slice of the matrix.
//
// The bound: the columns of the sampled rows and their offsets come from memory once, at the bandwidth with
// which this run reads all columns of the graph in order.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <numeric>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "csr_store.hpp"
#include "graphs.hpp"
#include "sampling/batch.hpp"
#include "sampling/column_set.hpp"
#include "spmm/measure.hpp"
#include "tensor/update.hpp"

namespace {

using namespace opx;

struct Options {
  int scale = 16, threads = 1, repeats = 20;
  Index edge_factor = 16, virtual_blocks = 0, columns = 128;
  std::vector<double> ratios{0.05};
  std::vector<std::string> samplers{"stratified"};
  std::string estimator = "unbiased", load;
  std::uint64_t seed = 1;
  bool directed = false, probes = false, json = false;
};

/// A graph on one rank with a sampler.
struct Setup {
  device::Context context;
  std::shared_ptr<const spmm::Csr> graph;
  std::unique_ptr<graph::Store> store;
  layout::GraphShard shard;

  Setup(const Options& o, int scale, const std::string& load = {})
      : context({.threads = o.threads, .logger = {}}),
        graph(std::make_shared<spmm::Csr>(load.empty() ? bench::rmat(context, scale, o.edge_factor, o.seed)
                                                       : bench::import_npy(context, load))),
        store(bench::store_of(graph, o.virtual_blocks)),
        shard(bench::shard_of(context, graph, o.directed)) {}

  [[nodiscard]] std::unique_ptr<sampling::Sampler> sampler(const Options& o, const std::string& name,
                                                           double ratio) const {
    const std::vector<int> blocks{0};
    return sampling::make_sampler(*store, shard.grid, blocks,
                                  {.kind = sampling::parse_kind(name), .ratio = ratio, .seed = o.seed});
  }
};

/// Compares a sub-batch with the slice of the matrix, found by looking for every pair of the sampled vertices
/// among all entries.
void check(const Options& o, const std::string& name, double ratio) {
  Setup setup(o, std::min(o.scale, 11));
  const auto sampler = setup.sampler(o, name, ratio);
  const auto estimator = sampling::parse_estimator(o.estimator);
  sampling::BatchBuilder builder(setup.context, setup.shard, *setup.store, *sampler,
                                 {.estimator = estimator});
  sampling::Batch batch;
  builder.build(0, 0, batch);
  sampling::Selection s;
  sampler->draw(0, 0, s);
  std::map<std::int32_t, std::size_t> at;
  for (std::size_t i = 0; i < s.position.size(); ++i) at[s.position[i]] = i;
  const spmm::CsrView a = setup.graph->view(), b = batch.shard.tile[0]->view();
  const layout::Tile& full = *setup.shard.tile[0];
  std::size_t e = 0;
  for (const auto& [v, i] : at) {
    for (Index f = a.row_offsets[static_cast<std::size_t>(v)];
         f < a.row_offsets[static_cast<std::size_t>(v) + 1]; ++f) {
      const std::int32_t u = a.col_ids[static_cast<std::size_t>(f)];
      const auto found = at.find(u);
      if (found == at.end()) continue;
      const std::size_t j = found->second;
      float value = full.row_scale[v] * full.col_scale[u];
      if (u != v && estimator == sampling::Estimator::kUnbiased)
        value *= s.stratum[i] == s.stratum[j] ? s.same[j] : s.other[j];
      OPX_REQUIRE(
          e < b.col_ids.size() && b.col_ids[e] == static_cast<std::int32_t>(j) && b.values[e] == value,
          InternalError, "{}: entry {} of the sub-batch is not that of ({}, {})", name, e, v, u);
      ++e;
    }
    OPX_REQUIRE(b.row_offsets[i + 1] == static_cast<Index>(e), InternalError, "{}: row {} ends at {}, not {}",
                name, i, b.row_offsets[i + 1], e);
  }
}

/// Bytes per second of reading all columns in order, one thread.
double read_bandwidth(const spmm::CsrView& a) {
  const double start = base::now_seconds();
  std::uint32_t sum = 0;
  for (const std::int32_t column : a.col_ids) sum += static_cast<std::uint32_t>(column);
  const volatile std::uint32_t sink = sum;
  (void)sink;
  return static_cast<double>(a.col_ids.size_bytes()) / (base::now_seconds() - start);
}

Index entries_of_rows(const spmm::CsrView& a, const sampling::Batch& batch) {
  Index sum = 0;
  for (const std::int32_t row : batch.local_row)
    sum += a.row_offsets[static_cast<std::size_t>(row) + 1] - a.row_offsets[static_cast<std::size_t>(row)];
  return sum;
}

double peak_bytes() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<double>(usage.ru_maxrss) * 1024 : 0;
}

struct Result {
  std::vector<double> draw, build, gather, bandwidth;
  double vertices = 0, entries = 0, kept = 0, without_neighbours = 0;  ///< means
  std::size_t held = 0;
};

Result measure(Setup& setup, sampling::Sampler& sampler, const Options& o) {
  const std::size_t before = setup.context.memory().now();
  sampling::BatchBuilder builder(setup.context, setup.shard, *setup.store, sampler,
                                 {.estimator = sampling::parse_estimator(o.estimator)});
  sampling::Batch batch;
  sampling::Selection selection;
  tensor::Matrix<float> features, rows;
  Result r;
  const Index warm = 2, all = warm + o.repeats;
  for (Index i = 0; i < all; ++i) {
    const Index epoch = i / sampler.batches(), index = i % sampler.batches();
    const double start = base::now_seconds();
    sampler.draw(epoch, index, selection);
    const double drawn = base::now_seconds();
    builder.build(epoch, index, batch);
    if (i == 0 && o.columns > 0) {
      features = {setup.context, setup.shard.vertices, o.columns};
      std::fill(features.span().begin(), features.span().end(), 1.0F);
      rows = {setup.context, sampler.most_block_rows(), o.columns};
    }
    const double built = base::now_seconds();
    if (o.columns > 0)
      tensor::gather_rows(setup.context, std::as_const(features).view(), batch.local_row, rows.view());
    const double gathered = base::now_seconds();
    if (i < warm) continue;
    r.draw.push_back(drawn - start);
    r.build.push_back(batch.build_seconds);
    r.gather.push_back(gathered - built);
    if (i < warm + 5) r.bandwidth.push_back(read_bandwidth(setup.graph->view()));
    const auto share = 1.0 / o.repeats;
    r.vertices += share * static_cast<double>(batch.rows());
    r.entries += share * static_cast<double>(entries_of_rows(setup.graph->view(), batch));
    r.kept += share * static_cast<double>(batch.nnz);
    r.without_neighbours += share * static_cast<double>(batch.rows_without_neighbours);
  }
  r.held = setup.context.memory().now() - before - features.span().size_bytes() - rows.span().size_bytes();
  return r;
}

nlohmann::json as_json(const Setup& setup, const Result& r, const std::string& sampler, double ratio) {
  const auto draw = spmm::spread_of(r.draw), build = spmm::spread_of(r.build),
             gather = spmm::spread_of(r.gather), bandwidth = spmm::spread_of(r.bandwidth);
  const double cut = build.median - draw.median;
  const double bytes = 4 * r.entries + 16 * r.vertices;
  return {{"sampler", sampler},
          {"ratio", ratio},
          {"vertices_of_graph", setup.shard.vertices},
          {"entries_of_graph", setup.graph->nnz()},
          {"vertices", r.vertices},
          {"entries_scanned", r.entries},
          {"entries_kept", r.kept},
          {"share_without_neighbours", r.without_neighbours / std::max(1.0, r.vertices)},
          {"draw_seconds", draw.median},
          {"build_seconds", build.median},
          {"build_p10", build.p10},
          {"build_p90", build.p90},
          {"cut_seconds", cut},
          {"gather_seconds", gather.median},
          {"vertices_per_second", r.vertices / build.median},
          {"entries_per_second", r.entries / cut},
          {"nanoseconds_per_entry", 1e9 * cut / r.entries},
          {"read_bandwidth", bandwidth.median},
          {"bound_seconds", bytes / bandwidth.median},
          {"share_of_bound", bytes / bandwidth.median / cut},
          {"builder_bytes", r.held},
          {"peak_bytes", peak_bytes()}};
}

void print_row(const nlohmann::json& j) {
  const auto number = [&](const char* key) { return j[key].get<double>(); };
  fmt::print(
      "{:>10} {:>6} {:>9.0f} {:>10.0f} {:>9.0f} {:>7.2f} {:>7.2f} {:>7.2f} {:>8.2f} {:>7.2f} {:>6.2f} "
      "{:>6.2f} "
      "{:>6.1f}% {:>7.1f} {:>7.1f}\n",
      j["sampler"].get<std::string>(), number("ratio"), number("vertices"), number("entries_scanned"),
      number("entries_kept"), 1e3 * number("draw_seconds"), 1e3 * number("cut_seconds"),
      1e3 * number("build_seconds"), 1e3 * number("gather_seconds"), 1e-6 * number("vertices_per_second"),
      1e-9 * number("entries_per_second"), number("nanoseconds_per_entry"), 100 * number("share_of_bound"),
      number("builder_bytes") / (1 << 20), number("peak_bytes") / (1 << 20));
}

/// Membership alone, both ways: one bit a column with ranks, and one word of a tag and an id a column.
void print_probes(const Setup& setup, sampling::Sampler& sampler) {
  const spmm::CsrView a = setup.graph->view();
  sampling::Selection s;
  sampling::ColumnSet set(a.cols);
  std::vector<std::uint64_t> tagged(static_cast<std::size_t>(a.cols));
  std::vector<std::int32_t> at(static_cast<std::size_t>(a.cols));
  std::vector<double> bits, tags;
  Index entries = 0;
  const auto scan = [&](auto&& find) {
    Index found = 0;
    entries = 0;
    const double start = base::now_seconds();
    for (const std::int32_t row : s.position) {
      const Index begin = a.row_offsets[static_cast<std::size_t>(row)],
                  n = a.row_offsets[static_cast<std::size_t>(row) + 1] - begin;
      found += find(a.col_ids.data() + begin, n);
      entries += n;
    }
    return std::pair(base::now_seconds() - start, found);
  };
  for (std::uint32_t step = 1; step <= 7; ++step) {
    sampler.draw(0, step % sampler.batches(), s);
    set.clear();
    for (std::size_t i = 0; i < s.position.size(); ++i) {
      set.add(s.position[i]);
      tagged[static_cast<std::size_t>(s.position[i])] = std::uint64_t{step} << 32 | i;
    }
    const auto by_bits =
        scan([&](const std::int32_t* columns, Index n) { return set.find(columns, n, at.data()); });
    const auto by_tags = scan([&](const std::int32_t* columns, Index n) {
      Index found = 0;
      for (Index i = 0; i < n; ++i) {
        const std::uint64_t word = tagged[static_cast<std::size_t>(columns[i])];
        at[static_cast<std::size_t>(found)] = static_cast<std::int32_t>(word);
        found += (word >> 32) == step ? 1 : 0;
      }
      return found;
    });
    OPX_REQUIRE(by_bits.second == by_tags.second, InternalError, "{} and {} columns found", by_bits.second,
                by_tags.second);
    bits.push_back(by_bits.first * 1e9 / static_cast<double>(entries));
    tags.push_back(by_tags.first * 1e9 / static_cast<double>(entries));
  }
  fmt::print("membership, ns an entry: bits {:.2f}, tags {:.2f}\n", spmm::spread_of(bits).median,
             spmm::spread_of(tags).median);
}

int run(const Options& o) {
  for (const std::string& name : o.samplers) check(o, name, std::max(o.ratios.front(), 0.05));
  Setup setup(o, o.scale, o.load);
  if (!o.json) {
    fmt::print(
        "{} vertices, {} entries, {} virtual blocks, {} threads{}; milliseconds, 1e6 vertices/s, 1e9 "
        "entries/s, MiB\n",
        setup.shard.vertices, setup.graph->nnz(), setup.store->info().virtual_blocks, o.threads,
        o.directed ? ", as directed" : "");
    fmt::print(
        "{:>10} {:>6} {:>9} {:>10} {:>9} {:>7} {:>7} {:>7} {:>8} {:>7} {:>6} {:>6} {:>7} {:>7} {:>7}\n",
        "sampler", "ratio", "vertices", "scanned", "kept", "draw", "cut", "build", "gather", "M v/s", "G e/s",
        "ns/e", "bound", "builder", "peak");
  }
  for (const std::string& name : o.samplers) {
    for (const double ratio : o.ratios) {
      const auto sampler = setup.sampler(o, name, ratio);
      const nlohmann::json j = as_json(setup, measure(setup, *sampler, o), name, ratio);
      if (o.json) {
        fmt::print("{}\n", j.dump());
      } else {
        print_row(j);
      }
      if (o.probes) print_probes(setup, *sampler);
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("What sub-batches cost beside the bound of memory");
  app.add_option("--scale", o.scale, "R-MAT: log2 of the vertices");
  app.add_option("--edge-factor", o.edge_factor, "R-MAT: draws a vertex");
  app.add_option("--load", o.load, "folder with an undirected indptr.npy and indices.npy instead");
  app.add_option("--virtual-blocks", o.virtual_blocks, "strata; 0: as prepare chooses");
  app.add_option("--ratio", o.ratios, "shares of the vertices, comma-separated")->delimiter(',');
  app.add_option("--sampler", o.samplers, "names, comma-separated")->delimiter(',');
  app.add_option("--estimator", o.estimator, "unbiased or self-normalised");
  app.add_option("--columns", o.columns, "of features that are gathered; 0: none");
  app.add_option("--threads", o.threads)->check(CLI::PositiveNumber);
  app.add_option("--repeats", o.repeats)->check(CLI::PositiveNumber);
  app.add_option("--seed", o.seed);
  app.add_flag("--directed", o.directed, "transposes are built, not shared");
  app.add_flag("--probes", o.probes, "also time membership by bits and by tags");
  app.add_flag("--json", o.json, "one object a line");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(o);
  } catch (const base::Error& error) {
    fmt::print(stderr, "sampling_bench: {}\n", error.what());
    return base::exit_code(error.kind());
  }
}
