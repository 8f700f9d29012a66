// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// SpMM beside the bound of memory (src/spmm/measure.hpp says which). Makes or loads a graph, checks, warms
// up, repeats, and prints a table or JSON. With --serve it times one multiply for every line "cols f32|bf16"
// on standard input: bench/rivals/spmm_rivals.py interleaves it with other libraries that way.
#include <cstdio>
#include <iostream>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "graphs.hpp"
#include "spmm/cpu/targets.hpp"
#include "spmm/measure.hpp"

namespace {

using namespace opx;

struct Options {
  std::string graph = "rmat", load, save, target;
  int scale = 16, threads = 0, repeats = 9;
  Index edge_factor = 16, vertices = 600'000, nnz = 30'000'000, side = 1000, cache_mib = 0;
  std::vector<Index> cols{128};
  std::uint64_t seed = 1;
  bool bf16 = false, json = false, serve = false, transposed = false;
};

spmm::Csr make_graph(device::Context& context, const Options& o) {
  if (!o.load.empty()) return bench::import_npy(context, o.load);
  if (o.graph == "rmat") return bench::rmat(context, o.scale, o.edge_factor, o.seed);
  if (o.graph == "power-law") return bench::power_law(context, o.vertices, o.nnz, o.seed);
  return bench::lattice(context, o.side, o.graph == "lattice-shuffled", o.seed);
}

nlohmann::json as_json(const spmm::Measurement& m, const spmm::CsrView& a, Index cols, bool bf16) {
  return {{"rows", a.rows},
          {"nnz", a.nnz()},
          {"cols", cols},
          {"features", bf16 ? "bf16" : "f32"},
          {"target", m.target},
          {"seconds", m.seconds.median},
          {"seconds_p10", m.seconds.p10},
          {"seconds_p90", m.seconds.p90},
          {"gflops", m.flops / m.seconds.median * 1e-9},
          {"fetched_bytes", m.fetched_bytes},
          {"cache_bytes", m.cache_bytes},
          {"missed_share", m.missed_share},
          {"bound_bytes", m.bound_bytes},
          {"read_bandwidth", m.read_bandwidth},
          {"triad_bandwidth", m.triad_bandwidth},
          {"bound_seconds", m.bound_seconds},
          {"ratio_to_bound", m.ratio_to_bound},
          {"largest_error", m.largest_error}};
}

void print_row(const spmm::Measurement& m, Index cols, bool bf16) {
  fmt::print(
      "{:>5} {:<4} {:>8.4f} {:>8.4f} {:>8.4f} {:>8.1f} {:>7.1f} {:>7.1f} {:>6.1f}% {:>8.4f} {:>6.2f} "
      "{:>8.1e}\n",
      cols, bf16 ? "bf16" : "f32", m.seconds.median, m.seconds.p10, m.seconds.p90,
      m.flops / m.seconds.median * 1e-9, m.read_bandwidth * 1e-9, m.triad_bandwidth * 1e-9,
      100 * m.missed_share, m.bound_seconds, m.ratio_to_bound, m.largest_error);
}

void print_head(const spmm::CsrView& a, int threads, std::size_t cache_bytes) {
  fmt::print("{} rows, {} entries, {} threads, {}, cache {} MiB; bandwidths in GB/s\n", a.rows, a.nnz(),
             threads, spmm::dispatch_target(), cache_bytes >> 20);
  fmt::print("{:>5} {:<4} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>7} {:>8} {:>6} {:>8}\n", "cols", "X",
             "median s", "p10", "p90", "GFLOP/s", "read", "triad", "missed", "bound s", "ratio", "error");
}

// Features that every library in the comparison can make alike.
template <class T>
void fill(tensor::MatrixView<T> x) {
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.cols; ++j)
      x(i, j) = T(static_cast<float>((i * 31 + j * 17) % 1000) / 1000.0F - 0.5F);
}

template <class T>
void serve_one(device::Context& context, const spmm::CsrView& a, tensor::Matrix<T>& x,
               tensor::Matrix<float>& y) {
  const auto in = std::as_const(x).view();
  const double start = base::now_seconds();
  spmm::multiply(context, a, in, y.view());
  const double seconds = base::now_seconds() - start;
  double sum = 0;
  for (Index i = 0; i < y.rows(); i += 1009)
    for (Index j = 0; j < y.cols(); ++j)
      sum += static_cast<double>(y(i, j)) * static_cast<double>(1 + (i + j) % 7);
  std::cout << nlohmann::json{{"seconds", seconds}, {"checksum", sum}}.dump() << std::endl;
}

void serve(device::Context& context, const spmm::CsrView& a) {
  Index cols = 0, asked = 0;
  std::string kind;
  tensor::Matrix<float> x, y;
  tensor::Matrix<bfloat16> x16;
  std::cout << nlohmann::json{{"ready", true}, {"target", spmm::dispatch_target()}}.dump() << std::endl;
  while (std::cin >> asked >> kind) {
    if (asked != cols) {
      cols = asked;
      x = {}, x16 = {}, y = {};
      x = {context, a.cols, cols}, x16 = {context, a.cols, cols}, y = {context, a.rows, cols};
      fill(x.view());
      fill(x16.view());
    }
    if (kind == "bf16")
      serve_one(context, a, x16, y);
    else
      serve_one(context, a, x, y);
  }
}

int run(const Options& o) {
  device::Context context({.threads = o.threads});
  if (!o.target.empty()) spmm::cpu::force_target(o.target);
  spmm::Csr graph = make_graph(context, o);
  if (!o.save.empty()) bench::export_npy(graph.view(), o.save);
  if (o.transposed) graph = spmm::transpose(context, graph.view());
  if (o.serve) return serve(context, graph.view()), 0;
  const std::size_t cache =
      o.cache_mib > 0 ? static_cast<std::size_t>(o.cache_mib) << 20 : spmm::last_level_cache_bytes();
  if (!o.json) print_head(graph.view(), context.threads(), cache);
  for (const Index cols : o.cols)
    for (const bool bf16 : {false, true}) {
      if (bf16 && !o.bf16) continue;
      const auto m = spmm::measure(context, graph.view(),
                                   {.cols = cols, .bf16 = bf16, .repeats = o.repeats, .cache_bytes = cache});
      if (o.json)
        fmt::print("{}\n", as_json(m, graph.view(), cols, bf16).dump());
      else
        print_row(m, cols, bf16);
      std::fflush(stdout);
    }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("SpMM beside the bound of memory");
  app.add_option("--graph", o.graph, "rmat, power-law, lattice or lattice-shuffled")
      ->check(CLI::IsMember({"rmat", "power-law", "lattice", "lattice-shuffled"}));
  app.add_option("--scale", o.scale, "rmat: log2 of the vertices");
  app.add_option("--edge-factor", o.edge_factor, "rmat: draws a vertex");
  app.add_option("--vertices", o.vertices, "power-law");
  app.add_option("--nnz", o.nnz, "power-law: entries");
  app.add_option("--side", o.side, "lattice");
  app.add_option("--seed", o.seed);
  app.add_option("--load", o.load, "folder with indptr.npy and indices.npy instead");
  app.add_option("--export", o.save, "write indptr.npy and indices.npy into this folder");
  app.add_option("--cols", o.cols, "widths, comma-separated")->delimiter(',');
  app.add_option("--threads", o.threads, "0: all cores");
  app.add_option("--repeats", o.repeats);
  app.add_option("--cache-mib", o.cache_mib, "size of the modelled cache; 0: this machine's");
  app.add_option("--target", o.target, "force an instruction set");
  app.add_flag("--bf16", o.bf16, "bf16 features too");
  app.add_flag("--transpose", o.transposed, "multiply with the transpose");
  app.add_flag("--json", o.json, "one object a line");
  app.add_flag("--serve", o.serve, "time one multiply a line of standard input");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(o);
  } catch (const base::Error& error) {
    fmt::print(stderr, "spmm_bench: {}\n", error.what());
    return base::exit_code(error.kind());
  }
}
