// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Synthetic datasets, streamed: what they return goes to `prepare` like any input. Everything is a function
// of the seed, the same with any number of threads. Memory is O(vertices), whatever the number of edges.
#pragma once

#include <cstdint>

#include "device/context.hpp"
#include "graph/source.hpp"

namespace opx::graph {

/// R-MAT (Chakrabarti, Zhan, Faloutsos 2004) with the parameters of Graph500; edge_factor << scale edges,
/// each stored once and undirected, duplicates and self loops as they fall.
struct RmatOptions {
  int scale = 16;  ///< 2^scale vertices, at most 30
  Index edge_factor = 16;
  double a = 0.57, b = 0.19, c = 0.19;
  Index feature_dim = 0;  ///< > 0: N(0, 1)
  Index classes = 0;      ///< > 0: labels drawn uniformly; with splits 0.6/0.2/0.2
  std::uint64_t seed = 0;
};
[[nodiscard]] RawDataset generate_rmat(device::Context& context, const RmatOptions& options);

/// Degree-corrected planted partition (Karrer and Newman 2011): classes of equal expected size; an edge's
/// ends are drawn by power-law weights, the second in the class of the first with probability `homophily`,
/// else in another. Features are class centre (a random direction of length `signal`) plus N(0, 1) in each
/// coordinate.
struct PartitionOptions {
  Index vertices = 10000;
  Index classes = 8;
  double average_degree = 10;  ///< of undirected edges, before duplicates merge
  double homophily = 0.75;     ///< share of edges within a class
  double exponent = 2.5;       ///< of the power law of degrees; > 2
  Index feature_dim = 64;
  double signal = 1.7;              ///< length of the class centres
  double label_noise = 0.02;        ///< share of labels replaced by a random one
  double label_rate = 1.0;          ///< share of vertices that have a label
  double train = 0.1, valid = 0.2;  ///< of the labelled; the rest is test
  std::uint64_t seed = 0;
};
[[nodiscard]] RawDataset generate_partition(device::Context& context, const PartitionOptions& options);

/// side x side lattice; each edge to the right and down is kept with probability `keep`. Natural order is
/// local.
struct RoadOptions {
  Index side = 400;
  double keep = 0.55;
  Index feature_dim = 0, classes = 0;  ///< as for R-MAT
  std::uint64_t seed = 0;
};
[[nodiscard]] RawDataset generate_road(device::Context& context, const RoadOptions& options);

}  // namespace opx::graph
