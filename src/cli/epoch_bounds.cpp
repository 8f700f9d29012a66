// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/epoch_bounds.hpp"

#include <algorithm>

#include "base/timer.hpp"
#include "comm/communicator.hpp"
#include "parallel/shard_loader.hpp"
#include "spmm/measure.hpp"
#include "tensor/gemm.hpp"

namespace opx::cli {

namespace {

/// How often the adjacency is applied at each width in one epoch, forward and backward.
std::map<Index, int> aggregations(const model::ModelSpec& spec) {
  std::map<Index, int> count;
  for (Index layer = 0; layer < spec.layers(); ++layer) {
    const auto l = static_cast<std::size_t>(layer);
    const bool first = spec.aggregates_first(layer);
    const Index width = first ? spec.widths[l] : spec.widths[l + 1];
    if (layer == 0 && spec.cached()) continue;
    // With constant input, aggregate-first needs no gradient of layer 0's input; transform-first needs A^T
    // for dW.
    count[width] += layer == 0 && first && !spec.learned_features ? 1 : 2;
  }
  return count;
}

double product_seconds(double rows, double in, double out, const Machine& machine) {
  return std::max(2 * rows * in * out / machine.gemm_flops, 4 * rows * (in + out) / machine.triad_bandwidth);
}

}  // namespace

double measure_gemm_peak(device::Context& context) {
  constexpr Index kSize = 1536;
  tensor::Matrix<float> a(context, kSize, kSize), b(context, kSize, kSize), c(context, kSize, kSize);
  std::ranges::fill(a.span(), 0.5F);
  std::ranges::fill(b.span(), 0.25F);
  double best = 1e30;
  for (int i = 0; i < 6; ++i) {
    const double start = base::now_seconds();
    tensor::gemm(context, tensor::Transpose::kNo, tensor::Transpose::kNo, 1, a.view(), b.view(), 0, c.view());
    best = std::min(best, base::now_seconds() - start);
  }
  constexpr double kFlops = 2.0 * kSize * kSize * kSize;
  return kFlops / best;
}

std::map<std::string, double> epoch_bounds(device::Context& context, const graph::Store& store,
                                           const model::ModelSpec& spec, Machine& machine) {
  const std::unique_ptr<comm::Communicator> self = comm::self_communicator();
  parallel::ProcessGrid grid(*self, {});
  std::map<std::string, double> seconds;
  {
    const layout::GraphShard shard = parallel::load_shard(context, grid, store, {.need_backward = false});
    // At least one measurement, for the bandwidths.
    std::map<Index, int> widths = aggregations(spec);
    if (widths.empty()) widths[spec.widths.back()] = 0;
    for (const auto& [width, count] : widths) {
      const spmm::Measurement m =
          spmm::measure(context, shard.forward(0).view(), {.cols = width, .warmups = 1, .repeats = 3});
      seconds["spmm"] += count * m.bound.seconds;
      machine.read_bandwidth = std::max(machine.read_bandwidth, m.read_bandwidth);
      machine.triad_bandwidth = std::max(machine.triad_bandwidth, m.triad_bandwidth);
    }
  }
  machine.gemm_flops = measure_gemm_peak(context);

  const auto rows = static_cast<double>(store.info().vertices);
  const auto streamed = [&](double floats) { return 4 * floats / machine.triad_bandwidth; };
  double parameters = 0;
  for (Index layer = 0; layer < spec.layers(); ++layer) {
    const auto in = static_cast<double>(spec.widths[static_cast<std::size_t>(layer)]);
    const auto out = static_cast<double>(spec.widths[static_cast<std::size_t>(layer) + 1]);
    seconds["gemm"] +=
        (layer == 0 && !spec.learned_features ? 2 : 3) * product_seconds(rows, in, out, machine);
    if (layer + 1 < spec.layers()) seconds["elementwise"] += streamed(5 * rows * out);
    if (layer == 0 && spec.input_dropout > 0) seconds["elementwise"] += streamed(2 * rows * in);
    parameters += (in + 1) * out;
  }
  seconds["loss"] = streamed(2 * rows * static_cast<double>(spec.widths.back()));
  seconds["optimizer"] = streamed(7 * parameters);
  return seconds;
}

}  // namespace opx::cli
