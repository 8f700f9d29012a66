// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// The small data of vertices (labels, splits, names) on their way into the store. Private to graph/.
#pragma once

#include <cstdint>
#include <span>

#include "graph/prepare.hpp"
#include "graph/source.hpp"
#include "graph/store_writer.hpp"

namespace opx::graph {

/// Vertices that labels, splits and names speak of: N where neither the input nor the edges say more.
[[nodiscard]] Index described_vertices(const RawDataset& input);

/// Throws FormatError where labels, targets, splits or names do not fit `vertices` or are out of range; sets
/// the number of classes where the labels only imply it.
void check_vertex_data(RawDataset& input, Index vertices);

/// Writes labels or targets, splits (drawn where `options` asks for it) and names in position order, and
/// notes them in `info`. `original` is the id at each position. Uses up the input's splits.
void write_vertex_data(RawDataset& input, std::span<const Index> original, const PrepareOptions& options,
                       StoreWriter& writer, StoreInfo& info);

}  // namespace opx::graph
