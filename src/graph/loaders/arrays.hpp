// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Edges in NumPy arrays, streamed: pairs side by side, two arrays (or two halves of one), or compressed rows.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "graph/source.hpp"
#include "io/npy.hpp"
#include "io/npz.hpp"

namespace opx::graph::loaders {

/// An (E, 2) or (2, E) array of ids in C or Fortran order; opened twice where sources and targets lie apart,
/// so that it is never in memory. `open` gives a fresh reader at each call.
[[nodiscard]] std::unique_ptr<EdgeSource> array_edges(const std::function<io::NpyReader()>& open,
                                                      bool pairs_are_rows, Index vertices);

/// scipy.sparse.save_npz, formats coo and csr, square; entry (i, j) is the edge i -> j. Sets `vertices`.
/// `weights`: take the values where they are not all 1.
[[nodiscard]] std::unique_ptr<EdgeSource> sparse_edges(std::shared_ptr<const io::NpzArchive> archive,
                                                       bool weights, Index& vertices);

}  // namespace opx::graph::loaders
