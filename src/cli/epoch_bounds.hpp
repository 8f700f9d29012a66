// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The least seconds that each phase of a full-graph epoch of a GCN can take on this machine with one rank:
// bytes that must move over the measured bandwidth, or multiplications over the measured peak, whichever is
// more.
#pragma once

#include <map>
#include <string>

#include "device/context.hpp"
#include "graph/store.hpp"
#include "model/spec.hpp"

namespace opx::cli {

/// Measured in the run that they are used in.
struct Machine {
  double read_bandwidth = 0;   ///< bytes a second, all threads of the context
  double triad_bandwidth = 0;  ///< the same where two streams are read and one is written
  double gemm_flops = 0;       ///< of a square product that fits the caches
};
[[nodiscard]] double measure_gemm_peak(device::Context& context);

/// Seconds by phase name ("spmm", "gemm", "elementwise", "loss", "optimizer") and the bandwidths used.
///
/// With n rows: an aggregation of width w costs what spmm::measure says for the adjacency at w columns; a
/// layer D -> D' has a product forward, one for dW and, past layer 0, one for dX, each 2 n D D' flops on n (D
/// + D') floats; a hidden layer's epilogue reads and writes n D' floats forward and reads two and writes one
/// backward; dropout on the cached input reads and writes n D; the loss reads and writes n classes; Adam
/// moves seven words a parameter.
[[nodiscard]] std::map<std::string, double> epoch_bounds(device::Context& context, const graph::Store& store,
                                                         const model::ModelSpec& spec, Machine& machine);

}  // namespace opx::cli
