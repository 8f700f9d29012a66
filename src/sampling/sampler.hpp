// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Vertex samplers (design.md 4.5). A sub-batch is a pure function of (seed, epoch, index): every rank
// evaluates it alone, for the blocks that it looks at, in integer arithmetic. The same on every grid.
//
// Words: an epoch is cut into `batches()` sub-batches. A step of G = replicas x accumulate sub-batches takes
// number step * G + replica * accumulate + a (a < accumulate): so the answer depends on G, not on the number
// of replicas. The last step of an epoch may have fewer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "graph/store.hpp"
#include "layout/grid.hpp"

namespace opx::sampling {

enum class Kind : std::uint8_t { kStratified, kUniform, kDegree, kTrain, kCluster, kSaintWalk };
[[nodiscard]] std::string_view name(Kind kind) noexcept;
[[nodiscard]] Kind parse_kind(std::string_view text);  ///< throws InvalidArgument with a suggestion

/// The estimator of one aggregation. `unbiased`: each sampled edge over Pr[u in S | v in S].
/// `self-normalised`: the sampled off-diagonal weights of a row scaled to the sum of the full row.
enum class Estimator : std::uint8_t { kUnbiased, kSelfNormalised };
[[nodiscard]] std::string_view name(Estimator estimator) noexcept;
[[nodiscard]] Estimator parse_estimator(std::string_view text);

struct SamplerOptions {
  Kind kind = Kind::kStratified;
  /// Share of all vertices in a sub-batch, in (0, 1]. 1 is the full graph.
  double ratio = 0.1;
  std::uint64_t seed = 0;
  double hub_share = 0.05;  ///< train: share of the batch's vertices that are hubs, always in
  /// train: an epoch has the fewest sub-batches in which training vertices are at most this share, so that
  /// its work follows their number and not N; 0: as many as the other samplers, 1 / ratio.
  double train_share = 0;
  int walk_length = 4;    ///< saint-walk: edges of a walk
  Index presamples = 50;  ///< saint-walk: epochs' worth of draws behind its normalisers
  int ranks_here = 1;     ///< saint-walk: ranks of this machine, each of which keeps the whole pattern
};

/// The sampled vertices of the blocks that a rank looks at, block after block, rising positions within one.
/// A factor of 0 stands for a chance of 0: such pairs never come.
/// For an edge (v, u), u != v, Pr[u in S | v in S]^-1 is same[u] where stratum[v] == stratum[u], else
/// other[u]. Buffers keep their memory between draws.
struct Selection {
  Index vertices = 0;    ///< |S| over all blocks of the grid
  Index block_rows = 0;  ///< padded rows of every block: at least the most vertices of any block of the grid
  std::vector<Index> offsets;  ///< P + 1: block b has [offsets[b], offsets[b+1]); empty if not looked at
  std::vector<std::int32_t> position;  ///< of each vertex
  std::vector<std::int32_t> stratum;   ///< of each vertex; equal numbers, equal stratum, over all blocks
  std::vector<float> same, other;      ///< factors of each vertex as a source
  std::vector<float> weight;           ///< of each vertex's row in the loss
  [[nodiscard]] std::span<const std::int32_t> block(int b) const noexcept {
    const auto i = static_cast<std::size_t>(b);
    return std::span(position).subspan(static_cast<std::size_t>(offsets[i]),
                                       static_cast<std::size_t>(offsets[i + 1] - offsets[i]));
  }
};

class Sampler {
 public:
  virtual ~Sampler() = default;
  /// Sub-batches of an epoch.
  [[nodiscard]] virtual Index batches() const noexcept = 0;
  /// No sub-batch has more rows in a block (Selection::block_rows); what buffers are sized by.
  [[nodiscard]] virtual Index most_block_rows() const noexcept = 0;
  /// Whether the factors make one aggregation unbiased, given v in S.
  [[nodiscard]] virtual bool unbiased() const noexcept = 0;
  /// Draws sub-batch `index` < batches() of `epoch`: the same on every grid. Safe to call from one thread at
  /// a time; no allocation once `out` has reached its size.
  virtual void draw(Index epoch, Index index, Selection& out) = 0;
};

/// A sampler for one rank of `grid` (gd is ignored). `blocks`: the grid's blocks that this rank looks at
/// (rising). Reads what it needs to know of them (degrees, splits, parts) from the store, never from another
/// rank. Throws InvalidArgument for a ratio outside (0, 1], a batch with less than one vertex a virtual
/// block, no training vertices for kTrain, parts that the store does not have for kCluster. kSaintWalk keeps
/// the pattern of the whole graph on every rank, O(nnz) bytes: OutOfMemory where the machine has less.
[[nodiscard]] std::unique_ptr<Sampler> make_sampler(const graph::Store& store, const layout::Grid& grid,
                                                    std::span<const int> blocks,
                                                    const SamplerOptions& options);

/// The blocks that a rank at `coord` looks at: those of its row and column slabs in layers 0 to min(layers,
/// 3) - 1, and its own. Rising.
[[nodiscard]] std::vector<int> blocks_of_rank(const layout::Grid& grid, layout::Coord coord, Index layers);

}  // namespace opx::sampling
