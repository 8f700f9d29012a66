// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// From the unsorted edges of one row tile to its sorted tiles, as the store keeps them. Private to graph/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "device/buffer.hpp"
#include "graph/edge_buckets.hpp"
#include "graph/prepare.hpp"
#include "graph/store_writer.hpp"
#include "graph/tile_code.hpp"

namespace opx::graph {

/// Counts made while one row tile was sorted. The hashes are sums over entries, so that those of all row
/// tiles add up: A == A^T exactly if both are zero in the end (up to chance of 2^-128).
struct TileStats {
  Index self_loops = 0, dropped_self_loops = 0, duplicates = 0;
  std::uint64_t asymmetry[2] = {0, 0};
  void add(const TileStats& other) noexcept;
};

struct SortOptions {
  SelfLoops self_loops = SelfLoops::kKeep;
  Duplicates duplicates = Duplicates::kMerge;
  bool check_symmetry = true;
};

/// Memory that grows and is used again for items of any type.
class SortScratch {
 public:
  explicit SortScratch(device::Context& context) : context_(&context) {}
  /// Room for n items, not initialised; what was there is lost.
  template <class T>
  [[nodiscard]] T* room(std::size_t n) {
    const auto bytes = static_cast<Index>(n * sizeof(T));
    if (bytes > buffer_.size()) buffer_ = {}, buffer_ = {*context_, bytes + bytes / 8};
    return reinterpret_cast<T*>(buffer_.data());
  }

 private:
  device::Context* context_;
  device::Buffer<std::byte> buffer_;
};

/// Sorts row tiles into T tiles each by (row, col), merging duplicates in input order. Keeps its memory from
/// one row tile to the next: one per thread.
class RowTileSorter {
 public:
  RowTileSorter(device::Context& context, const TileCode& code, const SortOptions& options)
      : code_(code), options_(options), items_(context), spare_(context) {}
  /// `out` is replaced; its memory is used again.
  TileStats sort(std::span<const std::uint64_t> edges, std::span<const float> weights, Index row_tile,
                 RowTile& out);
  TileStats sort(const EdgeBuckets& buckets, Index row_tile, RowTile& out);

 private:
  template <class Id, class Item, class Source>
  TileStats run(const Source& source, Index row_tile, std::vector<Id>& rows, std::vector<Id>& cols,
                RowTile& out);
  template <class Item, class Source>
  Item* deal(const Source& source, Index part, Index row_tile, TileStats& stats);

  TileCode code_;
  SortOptions options_;
  SortScratch items_, spare_;
  std::vector<Index> start_, next_;
};

}  // namespace opx::graph
