// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Which vertices the rows of a pass are: a rank's block of the graph, or its part of a batch.
#pragma once

#include <cstdint>
#include <span>

#include "base/types.hpp"
#include "tensor/deferred.hpp"
#include "tensor/elementwise.hpp"

namespace opx::model {

struct Rows {
  Index begin = 0;                     ///< position of row 0, where `positions` is empty
  std::span<const Index> positions{};  ///< position of every row, padding included (there: any)
  Index valid = 0;                     ///< rows of this rank that are vertices; the rest is padding
  Index total = 0;                     ///< the same over all tensor ranks: what batch norm divides by
  const tensor::deferred::RowCounts* counts = nullptr;  ///< on a GPU: the two, in its memory; null: as above

  /// Dropout of a pass over these rows; `step_there` as in tensor::Dropout.
  [[nodiscard]] tensor::Dropout dropout(float rate, std::uint64_t seed, std::uint32_t step,
                                        std::uint32_t stream,
                                        const std::uint32_t* step_there = nullptr) const {
    return {.rate = rate,
            .seed = seed,
            .step = step,
            .step_there = step_there,
            .layer = stream,
            .vertex_begin = begin,
            .vertices = positions};
  }
};

}  // namespace opx::model
