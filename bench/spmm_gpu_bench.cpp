// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// SpMM on a GPU: our two ways beside cuSPARSE's three CSR algorithms, on the same graph in the same run,
// against the bound of the bandwidth that a copy within the GPU reaches in the same run. Every result is
// compared with the CPU's; a wrong one ends the program with 1.
//
//   spmm_gpu_bench [--graph rmat|power-law] [--scale 18] [--edge-factor 16] [--vertices N --nnz M] [--load
//   FOLDER]
//                  [--cols 64,128,256] [--repeats 20] [--pattern]
//
// cuSPARSE analyses the matrix before it is timed (cusparseSpMM_preprocess), for each width and algorithm.
// Entries have weights, as it wants them; --pattern times ours without (4 bytes an entry less). The
// bound: indices, offsets, weights and Y once; X by a cache that holds the rows with most entries, as many as
// half the second-level cache takes: those once, a fetch for every entry of the others.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/timer.hpp"
#include "device/gpu/device.hpp"
#include "device/transfer.hpp"
#include "graphs.hpp"
#include "spmm/gpu/variants.hpp"

namespace {

using namespace opx;
namespace gpu = device::gpu;

struct Options {
  std::string graph = "rmat", load;
  int scale = 18, repeats = 20;
  Index edge_factor = 16, vertices = 2'400'000, nnz = 124'000'000;  // products-like
  std::vector<Index> cols{64, 128, 256};
  bool pattern = false;
};

std::vector<Index> numbers(std::string_view text) {
  std::vector<Index> all;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    all.push_back(std::atoll(std::string(text.substr(at, end - at)).c_str()));
    OPX_REQUIRE(all.back() > 0, InvalidArgument, "'{}' is no list of positive numbers", text);
    at = end + 1;
  }
  return all;
}

Options read(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--pattern") {
      o.pattern = true;
      continue;
    }
    OPX_REQUIRE(i + 1 < argc, InvalidArgument, "{} takes a value", flag);
    const std::string value = argv[++i];
    if (flag == "--graph")
      o.graph = value;
    else if (flag == "--load")
      o.load = value;
    else if (flag == "--scale")
      o.scale = static_cast<int>(numbers(value)[0]);
    else if (flag == "--edge-factor")
      o.edge_factor = numbers(value)[0];
    else if (flag == "--vertices")
      o.vertices = numbers(value)[0];
    else if (flag == "--nnz")
      o.nnz = numbers(value)[0];
    else if (flag == "--repeats")
      o.repeats = static_cast<int>(numbers(value)[0]);
    else if (flag == "--cols")
      o.cols = numbers(value);
    else
      throw base::InvalidArgument("no option " + flag);
  }
  OPX_REQUIRE(o.graph == "rmat" || o.graph == "power-law", InvalidArgument, "graph '{}'", o.graph);
  return o;
}

spmm::Csr make_graph(device::Context& host, const Options& o) {
  if (!o.load.empty()) return bench::import_npy(host, o.load);
  if (o.graph == "rmat") return bench::rmat(host, o.scale, o.edge_factor, 1);
  return bench::power_law(host, o.vertices, o.nnz, 1);
}

float draw(std::uint32_t word, Index i) {
  const auto r =
      base::philox({3, base::Purpose::kBench}, {.vertex = static_cast<std::uint64_t>(i), .word = word});
  return base::uniform_float(r[0]) - 0.5F;
}

template <class Work>
double seconds(gpu::Device& device, int repeats, Work&& work) {
  work();
  device.synchronise();
  const double start = base::now_seconds();
  for (int r = 0; r < repeats; ++r) work();
  device.synchronise();
  return (base::now_seconds() - start) / repeats;
}

/// Bytes a second that a copy within the GPU reads and writes.
double bandwidth(device::Context& context, int repeats) {
  gpu::Device& device = context.gpu();
  const std::size_t bytes = std::min(gpu::properties(device.ordinal()).memory_free / 8, std::size_t{1} << 30);
  const auto n = static_cast<Index>(bytes);
  device::Buffer<std::byte> from(context, n), to(context, n);
  device.fill_bytes(from.data(), 1, bytes, device.compute());
  const double time =
      seconds(device, repeats, [&] { device.copy(to.data(), from.data(), bytes, device.compute()); });
  return 2.0 * static_cast<double>(bytes) / time;
}

/// The bytes of the bound (above), for rows of `cols` floats.
double bound_bytes(const spmm::CsrView& a, Index cols, std::size_t cache) {
  std::vector<Index> uses(static_cast<std::size_t>(a.cols));
  for (const LocalIndex c : a.col_ids) ++uses[static_cast<std::size_t>(c)];
  std::ranges::sort(uses, std::greater<>());
  const double row = 4.0 * static_cast<double>(cols);
  const auto held = std::min(uses.size(), static_cast<std::size_t>(static_cast<double>(cache) / 2 / row));
  const auto middle = uses.begin() + static_cast<std::ptrdiff_t>(held);
  const Index missed = std::accumulate(middle, uses.end(), Index{0});
  const auto once = static_cast<double>(std::count_if(uses.begin(), middle, [](Index n) { return n > 0; }));
  const double matrix =
      8.0 * static_cast<double>(a.rows + 1) + (a.values.empty() ? 4.0 : 8.0) * static_cast<double>(a.nnz());
  return matrix + row * static_cast<double>(a.rows) + row * (once + static_cast<double>(missed));
}

struct Operands {
  spmm::CsrView host, device;
  Index cols;
  std::vector<float> x, want;
  device::Buffer<float> x_memory, y_memory;

  [[nodiscard]] tensor::MatrixView<const float> in() const {
    return {x_memory.data(), host.cols, cols, cols};
  }
  [[nodiscard]] tensor::MatrixView<float> out() { return {y_memory.data(), host.rows, cols, cols}; }
};

/// The largest difference to the CPU's result, over the largest value of that.
double error(device::Context& context, Operands& o) {
  const auto got = device::host_copy<float>(context, std::span<const float>(o.y_memory.span()));
  double most = 0, scale = 1e-30;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - static_cast<double>(o.want[i]));
    most = std::max(most, std::isnan(difference) ? 1e30 : difference);
    scale = std::max(scale, std::abs(static_cast<double>(o.want[i])));
  }
  return most / scale;
}

struct Way {
  std::string name;
  int cusparse;  // algorithm, or 0
  bool rows;
};

bool time_ways(device::Context& context, Operands& o, double bytes, double bytes_per_second, int repeats) {
  const std::vector<Way> ways{{"ours: rows", 0, true},
                              {"ours: chunks", 0, false},
                              {"cuSPARSE ALG1", 1, false},
                              {"cuSPARSE ALG2", 2, false},
                              {"cuSPARSE ALG3", 3, false}};
  const double bound = bytes / bytes_per_second;
  double ours = 1e30, theirs = 1e30;
  bool good = true;
  for (const Way& way : ways) {
    if (way.cusparse > 0 && !spmm::gpu::can_cusparse(o.device, o.cols, false)) continue;
    context.gpu().fill_bytes(o.y_memory.data(), 0xFF, o.y_memory.bytes(), context.gpu().compute());
    const double time = seconds(context.gpu(), repeats, [&] {
      if (way.cusparse > 0)
        spmm::gpu::multiply_cusparse(context, o.device, o.in(), o.out(), {}, way.cusparse);
      else if (way.rows)
        spmm::gpu::multiply_rows<float>(context, o.device, o.in(), o.out(), {});
      else
        spmm::gpu::multiply_chunks<float>(context, o.device, o.in(), o.out(), {},
                                          spmm::gpu::chunk_of(o.device.nnz()));
    });
    const double wrong = error(context, o);
    good = good && wrong < 1e-4;
    (way.cusparse > 0 ? theirs : ours) = std::min(way.cusparse > 0 ? theirs : ours, time);
    fmt::print("{:>5} {:<14} {:>10.3f} ms {:>8.1f} GFLOP/s {:>7.2f} of the bound  error {:.1e}{}\n", o.cols,
               way.name, time * 1e3, 2e-9 * static_cast<double>(o.device.nnz() * o.cols) / time, bound / time,
               wrong, wrong < 1e-4 ? "" : "  WRONG");
  }
  fmt::print("{:>5} bound {:.3f} ms ({:.2f} GB)", o.cols, bound * 1e3, bytes * 1e-9);
  if (theirs < 1e30) fmt::print("; cuSPARSE's best over ours: {:.2f}", theirs / ours);
  fmt::print("\n");
  return good;
}

bool run(const Options& o) {
  device::Context host, context({.threads = 1, .gpu = 0});
  const gpu::Properties p = gpu::properties(0);
  spmm::Csr graph = make_graph(host, o);
  if (!o.pattern) {
    graph.values = device::Buffer<float>(host, graph.col_ids.size());
    for (Index i = 0; i < graph.values.size(); ++i) graph.values[i] = draw(1, i);
  }
  const spmm::CsrView a = graph.view();
  spmm::Csr there;
  there.rows = a.rows, there.cols = a.cols;
  there.row_offsets = device::device_copy(context, a.row_offsets);
  there.col_ids = device::device_copy(context, a.col_ids);
  there.values = device::device_copy(context, a.values);
  there.identity = context.new_identity();
  const double per_second = bandwidth(context, o.repeats);
  fmt::print("{}, compute capability {}.{}, {} MiB of second-level cache; copies at {:.1f} GB/s\n", p.name,
             p.major, p.minor, p.l2_bytes >> 20, per_second * 1e-9);
  fmt::print("{} rows, {} entries{}\n", a.rows, a.nnz(), o.pattern ? ", pattern only" : "");
  bool good = true;
  for (const Index cols : o.cols) {
    Operands operands{a, there.view(), cols, {}, {}, {}, {}};
    for (Index i = 0; i < a.cols * cols; ++i) operands.x.push_back(draw(2, i));
    operands.want.resize(static_cast<std::size_t>(a.rows * cols));
    spmm::multiply(host, a, tensor::MatrixView<const float>(operands.x.data(), a.cols, cols, cols),
                   tensor::MatrixView<float>(operands.want.data(), a.rows, cols, cols));
    operands.x_memory = device::device_copy(context, std::span<const float>(operands.x));
    operands.y_memory = device::Buffer<float>(context, a.rows * cols);
    good = time_ways(context, operands, bound_bytes(a, cols, p.l2_bytes), per_second, o.repeats) && good;
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = read(argc, argv);
    if (gpu::count() == 0) {
      fmt::print("skipped: no GPU on this machine\n");
      return 0;
    }
    return run(options) ? 0 : 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "spmm_gpu_bench: {}\n", e.what());
    return 2;
  }
}
