// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// SpMM beside the bound of memory (src/spmm/measure.hpp says which). Makes or loads a graph, checks, warms
// up, repeats, and prints a table or JSON. With --serve it times one multiply for every line "cols
// f32|f32-tight|bf16" on standard input: bench/rivals/spmm_rivals.py interleaves it with other libraries that
// way.
#include <cmath>
#include <cstdio>
#include <iostream>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "graphs.hpp"
#include "spmm/measure.hpp"
#include "tensor/targets.hpp"

namespace {

using namespace opx;

constexpr double kMib = 1 << 20;

struct Options {
  std::string graph = "rmat", load, save, target;
  int scale = 16, threads = 0, repeats = 9;
  Index edge_factor = 16, vertices = 600'000, nnz = 30'000'000, side = 1000, cache_mib = 0;
  std::vector<Index> cols{128};
  std::uint64_t seed = 1;
  bool bf16 = false, json = false, serve = false, transposed = false, tight = false, factors = false;
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
          {"cache_bytes", m.bound.cache_bytes},
          {"missed_share", m.bound.missed_share},
          {"bound_bytes", m.bound.bytes},
          {"read_bandwidth", m.read_bandwidth},
          {"triad_bandwidth", m.triad_bandwidth},
          {"bound_seconds", m.bound.seconds},
          {"ratio_to_bound", m.bound.ratio},
          {"nominal_cache_bytes", m.nominal.cache_bytes},
          {"ratio_to_nominal_bound", m.nominal.ratio},
          {"largest_error", m.largest_error}};
}

void print_row(const spmm::Measurement& m, Index cols, bool bf16) {
  fmt::print(
      "{:>5} {:<4} {:>8.4f} {:>8.4f} {:>8.4f} {:>8.1f} {:>7.1f} {:>7.1f} {:>6.1f} {:>6.1f}% {:>8.4f} "
      "{:>6.2f} "
      "{:>8.2f} {:>8.1e}\n",
      cols, bf16 ? "bf16" : "f32", m.seconds.median, m.seconds.p10, m.seconds.p90,
      m.flops / m.seconds.median * 1e-9, m.read_bandwidth * 1e-9, m.triad_bandwidth * 1e-9,
      static_cast<double>(m.bound.cache_bytes) / kMib, 100 * m.bound.missed_share, m.bound.seconds,
      m.bound.ratio, m.nominal.ratio, m.largest_error);
}

void print_head(const spmm::CsrView& a, int threads, std::size_t nominal) {
  fmt::print(
      "{} rows, {} entries, {} threads, {}; bandwidths in GB/s; nominal cache {} MiB, measured in column "
      "cache\n",
      a.rows, a.nnz(), threads, spmm::dispatch_target(), nominal >> 20);
  fmt::print("{:>5} {:<4} {:>8} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6} {:>7} {:>8} {:>6} {:>8} {:>8}\n", "cols",
             "X", "median s", "p10", "p90", "GFLOP/s", "read", "triad", "cache", "missed", "bound s", "ratio",
             "nominal", "error");
}

// Features that every library in the comparison can make alike.
template <class T>
void fill(tensor::MatrixView<T> x) {
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.cols; ++j)
      x(i, j) = T(static_cast<float>((i * 31 + j * 17) % 1000) / 1000.0F - 0.5F);
}

// Features and result of one width and stride.
template <class T>
struct Operands {
  Operands(device::Context& context, const spmm::CsrView& a, Index cols, bool tight)
      : x_stride(tight ? cols : tensor::line_stride<T>(cols)),
        y_stride(tight ? cols : tensor::line_stride<float>(cols)),
        x_memory(context, a.cols * x_stride),
        y_memory(context, a.rows * y_stride),
        x(x_memory.data(), a.cols, cols, x_stride),
        y(y_memory.data(), a.rows, cols, y_stride) {
    fill(x);
  }
  Index x_stride, y_stride;
  device::Buffer<T> x_memory;
  device::Buffer<float> y_memory;
  tensor::MatrixView<T> x;
  tensor::MatrixView<float> y;
};

template <class T>
void serve_one(device::Context& context, const spmm::CsrView& a, const Operands<T>& o) {
  const tensor::MatrixView<const T> in = o.x;
  const double start = base::now_seconds();
  spmm::multiply(context, a, in, o.y);
  const double seconds = base::now_seconds() - start;
  double sum = 0;
  for (Index i = 0; i < o.y.rows; i += 1009)
    for (Index j = 0; j < o.y.cols; ++j)
      sum += static_cast<double>(o.y(i, j)) * static_cast<double>(1 + (i + j) % 7);
  std::cout << nlohmann::json{{"seconds", seconds}, {"checksum", sum}}.dump() << std::endl;
}

void serve(device::Context& context, const spmm::CsrView& a) {
  Index cols = 0, asked = 0;
  std::string kind;
  std::optional<Operands<float>> padded, tight;
  std::optional<Operands<bfloat16>> narrow;
  std::cout << nlohmann::json{{"ready", true}, {"target", spmm::dispatch_target()}}.dump() << std::endl;
  while (std::cin >> asked >> kind) {
    if (std::exchange(cols, asked) != asked) padded.reset(), tight.reset(), narrow.reset();
    if (kind == "bf16") {
      if (!narrow) narrow.emplace(context, a, cols, false);
      serve_one(context, a, *narrow);
    } else {
      auto& operands = kind == "f32-tight" ? tight : padded;
      if (!operands) operands.emplace(context, a, cols, kind == "f32-tight");
      serve_one(context, a, *operands);
    }
  }
}

// The factors of symmetric normalisation.
device::Buffer<float> inverse_root_degrees(device::Context& context, const spmm::CsrView& a) {
  device::Buffer<float> scale(context, a.rows);
  for (Index i = 0; i < a.rows; ++i) {
    const auto row = static_cast<std::size_t>(i);
    const Index degree = std::max<Index>(a.row_offsets[row + 1] - a.row_offsets[row], 1);
    scale[i] = 1.0F / std::sqrt(static_cast<float>(degree));
  }
  return scale;
}

int run(const Options& o) {
  device::Context context({.threads = o.threads});
  if (!o.target.empty()) tensor::force_target(o.target);
  spmm::Csr graph = make_graph(context, o);
  if (!o.save.empty()) bench::export_npy(graph.view(), o.save);
  if (o.transposed) graph = spmm::transpose(context, graph.view());
  if (o.serve) return serve(context, graph.view()), 0;
  const std::size_t cache = static_cast<std::size_t>(o.cache_mib) << 20;
  device::Buffer<float> scale;
  if (o.factors) scale = inverse_root_degrees(context, graph.view());
  if (!o.json) print_head(graph.view(), context.threads(), spmm::last_level_cache_bytes());
  for (const Index cols : o.cols)
    for (const bool bf16 : {false, true}) {
      if (bf16 && !o.bf16) continue;
      const auto m = spmm::measure(context, graph.view(),
                                   {.cols = cols,
                                    .bf16 = bf16,
                                    .repeats = o.repeats,
                                    .cache_bytes = cache,
                                    .tight = o.tight,
                                    .factors = {.row_scale = scale.span(), .col_scale = scale.span()}});
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
  app.add_option("--cache-mib", o.cache_mib, "size of the modelled cache; 0: measured");
  app.add_flag("--tight", o.tight, "rows end to end, not padded to cache lines");
  app.add_flag("--factors", o.factors, "with the factors of symmetric normalisation, as a GCN has them");
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
