// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Splits drawn at random where the input has none.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "graph/source.hpp"

namespace opx::graph {

/// "0.6/0.2/0.2": train, valid, test fractions, each at least 0, their sum at most 1. Throws InvalidArgument.
[[nodiscard]] std::array<double, 3> parse_split(std::string_view text);

/// 1 where a vertex has a label (multi-label: at least one target that is not NaN).
[[nodiscard]] std::vector<std::uint8_t> labelled_vertices(const LabelData& labels, Index vertices);

/// Deals the labelled vertices to the splits by a keyed permutation of (seed, Purpose::kSplit); counts are
/// the fractions of the labelled count, rounded, so that what sums to 1 leaves nobody out.
[[nodiscard]] std::vector<Split> draw_splits(const std::vector<std::uint8_t>& labelled,
                                             const std::array<double, 3>& fractions, std::uint64_t seed);

}  // namespace opx::graph
