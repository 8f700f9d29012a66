// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Private to parallel/: cuts one tile out of a store, in slab order, with bounded memory beyond the tile
// itself.
#pragma once

#include <vector>

#include "base/types.hpp"
#include "device/buffer.hpp"
#include "graph/store.hpp"
#include "parallel/shard_loader.hpp"
#include "spmm/csr.hpp"

namespace opx::parallel {

/// The vertices of a slab: blocks in slab order, each padded to n = padded_rows(N, P).
///
/// Worked example, N = 5, P = 3 (n = 2; blocks at positions [0,1), [1,3), [3,5)), slab {2, 0}: slab index 0,
/// 1 are positions 3, 4; slab index 2 is position 0; index 3 is padding. rising() = {[0,1), [3,5)}.
class Slab {
 public:
  Slab(Index vertices, int blocks_of_grid, std::vector<int> blocks);

  [[nodiscard]] const std::vector<int>& blocks() const noexcept { return blocks_; }
  [[nodiscard]] Index size() const noexcept { return std::ssize(blocks_) * padded_; }  ///< with padding
  [[nodiscard]] Index vertices() const noexcept { return vertices_; }                  ///< without
  [[nodiscard]] bool whole() const noexcept { return std::ssize(blocks_) == parts_; }
  /// Positions of block number i of the slab.
  [[nodiscard]] Range positions(std::size_t i) const noexcept;
  /// Slab index of the first vertex of block number i.
  [[nodiscard]] Index begin(std::size_t i) const noexcept { return static_cast<Index>(i) * padded_; }
  /// Number of `block` in the slab, or -1.
  [[nodiscard]] Index find(int block) const noexcept;
  /// The positions as disjoint rising ranges, none empty, neighbours joined: what Store::read_edges takes.
  [[nodiscard]] const std::vector<Range>& rising() const noexcept { return rising_; }
  /// Slab index of each vertex in the order of rising(); empty where that is the identity.
  [[nodiscard]] const std::vector<std::int32_t>& slab_index() const noexcept { return slab_index_; }
  /// Whether slab indices rise with positions.
  [[nodiscard]] bool ascending() const noexcept { return ascending_; }

 private:
  Index total_, padded_, vertices_ = 0;
  int parts_;
  std::vector<int> blocks_;
  std::vector<Range> rising_;
  std::vector<std::int32_t> slab_index_;
  bool ascending_ = true;
};

/// Entries of A with dst in `rows` and src in `cols`, columns rising within a row; with `add_self_loops` a
/// diagonal entry of value one in every row of the graph that has none. Reads pieces of some 10^6 entries.
[[nodiscard]] spmm::Csr build_tile(device::Context& context, const graph::Store& store, const Slab& rows,
                                   const Slab& cols, bool add_self_loops);

/// Cuts [begin, end) at boundaries of the store's tiles, so that none is read twice: a piece from `begin`
/// that has some `rows` rows or the rest of the tile that they end in.
[[nodiscard]] Range next_piece(const graph::StoreInfo& info, Index begin, Index end, Index rows) noexcept;

/// The part of even_range(n, parts, .) that holds i, 0 <= i < n.
[[nodiscard]] constexpr Index even_part(Index n, Index parts, Index i) noexcept {
  return static_cast<Index>((static_cast<__int128>(i + 1) * parts + n - 1) / n) - 1;
}

/// Row and column sums of A at the slab's vertices, self loops counted (also added ones); padding 1.
struct SlabDegrees {
  std::vector<float> row_sums, col_sums;
};
[[nodiscard]] SlabDegrees read_slab_degrees(const graph::Store& store, const Slab& slab, bool add_self_loops);
/// The same at a range of positions.
[[nodiscard]] SlabDegrees read_degrees(const graph::Store& store, Range positions, bool add_self_loops);

/// sum^-1/2 (symmetric) or 1 / sum (row) of each sum, 1 where the sum is 0: a vertex without edges has
/// nothing to scale. Throws InvalidArgument for a negative sum.
[[nodiscard]] device::Buffer<float> normalisation_factors(device::Context& context,
                                                          std::span<const float> sums,
                                                          Normalisation normalisation);

}  // namespace opx::parallel
