// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The rival, in the same binary: full-graph GCN training in the all-reduce scheme of Plexus (SC'25, arXiv
// 2505.04083, sections 4 and 5.1), the honest baseline of the scatter scheme (parallel/aggregate.hpp). Per
// layer, roles as in layout::roles_of, with D = widths[l], D' = widths[l + 1]:
//
//   forward   H = A F      local, then all-reduce over K     F on (K, C): rows cut by K, columns by C,
//   replicated on R
//             Q = H W + b  local, then all-reduce over C     H on (R, C); W block on (C, K)
//             F' = dropout(ReLU(Q))                          Q, F' on (R, K) = the next layer's (K, C)
//   backward  dW = H^T dQ  local, partial over R             one bucket for all weights, summed over every
//   rank
//             dH = dQ W^T  local, then all-reduce over K     (not for layer 0)
//             dF = A^T dH  local, then all-reduce over R     (not for layer 0)
//   loss      logits on (rows R, classes K) of the last layer: max and sum of exponentials all-reduced over K
//
// Worked example, grid 2x1x2, N = 8, widths {4, 4, 2}: in layer 0 rank (x, z) holds the A tile rows 4z..4z+3,
// columns 4x..4x+3 (in permuted order), F rows 4x..4x+3 with all 4 columns, H rows 4z..4z+3 (summed over X),
// and Q rows 4z..4z+3, columns 2x..2x+1. In layer 1 (R = Y, K = Z, C = X) that Q is its F.
//
// Differences from Plexus, each to the rival's advantage or neutral: input features are constant (no gather
// of F0, no dF0, no optimiser state of it); weights are replicated, so that no all-gather and no
// reduce-scatter of W is needed, but gradient blocks travel in the same bucket as the scatter scheme's; the
// loss needs no vector sum of per-node losses; labels are never modified. As in Plexus, A is aggregated first
// always, and the first aggregation is recomputed every step unless `cache_first_aggregation`.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "device/context.hpp"
#include "graph/store.hpp"
#include "parallel/process_grid.hpp"
#include "parallel/shard_loader.hpp"
#include "tensor/matrix.hpp"

namespace opx::parallel {

/// single: P A P^T in every layer (P: the store's placement). double: even layers Pr A Pc^T, odd layers Pc A
/// Pr^T (Pc: the store's placement, Pr: a keyed random permutation of it), up to six tiles instead of three.
enum class Permutation : std::uint8_t { kSingle, kDouble };

struct AllreduceOptions {
  std::vector<Index> widths;  ///< features, hidden..., classes: one more than layers
  float dropout = 0;          ///< on the input of every layer but the first
  float input_dropout = 0;    ///< on the input of the first layer
  std::uint64_t seed = 0;     ///< of dropout masks and of Pr
  Permutation permutation = Permutation::kDouble;
  Normalisation normalisation = Normalisation::kSymmetric;
  bool add_self_loops = true;
  bool cache_first_aggregation = false;  ///< keep H of layer 0; not with input_dropout
};

/// Parameters of one layer, whole and equal on every rank: weight D x D', bias D' or empty.
struct LayerParameters {
  tensor::MatrixView<const float> weight;
  std::span<const float> bias{};
};
struct LayerGradients {
  tensor::MatrixView<float> weight;
  std::span<float> bias{};
};

class AllreduceGcn {
 public:
  /// Collective over grid.tensor(). Reads tiles, labels and splits from the store, and moves `features` (own
  /// rows as load_vertices gives them: block_rows x widths[0], after any feature normalisation) to their
  /// plane. Throws InvalidArgument for a store that is not multi-class, a data axis, fewer than one layer, or
  /// options at odds. `context`, `grid` must outlive it; the store need not.
  AllreduceGcn(device::Context& context, ProcessGrid& grid, const graph::Store& store,
               tensor::MatrixView<const float> features, AllreduceOptions options);
  ~AllreduceGcn();
  AllreduceGcn(const AllreduceGcn&) = delete;
  AllreduceGcn& operator=(const AllreduceGcn&) = delete;

  /// One training pass with dropout of `step`: the mean cross-entropy over all labelled training vertices
  /// (equal on every rank), and in `gradients` this rank's share of its gradient, overwritten: their sum over
  /// grid.world() is the gradient. Collective over grid.tensor().
  double step(std::span<const LayerParameters> parameters, std::span<const LayerGradients> gradients,
              std::uint32_t step);

  /// Logits without dropout, at home: block_rows x classes, own rows as in the scatter scheme (padding 0), so
  /// that one set of metrics serves both schemes. Collective over grid.tensor(); purpose kMetric for the way
  /// home.
  void logits(std::span<const LayerParameters> parameters, tensor::MatrixView<float> own_rows);

  /// Labelled training vertices of the whole graph: the divisor of the loss.
  [[nodiscard]] Index training_vertices() const noexcept;
  /// Bytes of the tiles of A and A^T on this rank.
  [[nodiscard]] std::size_t tile_bytes() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace opx::parallel
