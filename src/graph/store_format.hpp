// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Names inside a `*.opx` file, shared by its reader and writer (docs/formats-store.md describes them).
// Private to graph/.
#pragma once

#include <array>
#include <cstdint>

namespace opx::graph::format {

inline constexpr const char* kMagic = "orthoplex-store";
inline constexpr std::int64_t kVersion = 1;

inline constexpr const char* kRows = "adjacency/rows";
inline constexpr const char* kCols = "adjacency/cols";
inline constexpr const char* kValues = "adjacency/values";
inline constexpr const char* kTileOffsets = "adjacency/tile_offsets";
inline constexpr const char* kFeatures = "features";
inline constexpr const char* kLabels = "vertices/labels";
inline constexpr const char* kTargets = "vertices/targets";
inline constexpr const char* kSplits = "vertices/splits";
inline constexpr const char* kRowSums = "vertices/row_sums";
inline constexpr const char* kColSums = "vertices/col_sums";
inline constexpr const char* kSelfLoops = "vertices/self_loops";
inline constexpr const char* kOriginalIds = "vertices/original_ids";
inline constexpr const char* kParts = "vertices/parts";
inline constexpr const char* kNameBytes = "names/bytes";
inline constexpr const char* kNameOffsets = "names/offsets";

/// All datasets in order of name, the order of the content checksum.
inline constexpr std::array kAllParts{kCols,      kRows,        kTileOffsets, kValues, kFeatures,
                                      kNameBytes, kNameOffsets, kColSums,     kLabels, kOriginalIds,
                                      kParts,     kRowSums,     kSelfLoops,   kSplits, kTargets};

/// Multi-label targets are stored as one byte each: 0, 1, or this for NaN.
inline constexpr std::uint8_t kMissingTarget = 255;
/// Local ids of a tile take 16 bits where no tile side is longer than this, else 32.
inline constexpr std::int64_t kNarrowTile = 65536;

}  // namespace opx::graph::format
