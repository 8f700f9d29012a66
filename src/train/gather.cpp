// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/gather.hpp"

#include <algorithm>

namespace opx::train {

void stream_rows_to_root(comm::Communicator& group, Index vertices, tensor::MatrixView<const float> own,
                         comm::CommPurpose purpose,
                         base::FunctionRef<void(Index, std::span<const float>)> sink) {
  constexpr Index kPieceFloats = Index{16} << 20;
  const int ranks = group.size();
  const Index longest = layout::padded_rows(vertices, ranks);
  const Index piece = std::max<Index>(1, kPieceFloats / std::max<Index>(1, own.cols * ranks));
  for (Index begin = 0; begin < longest; begin += piece) {
    const auto part = [&](int rank) {
      const Range block = layout::block_range(vertices, ranks, rank);
      return Range{std::min(block.begin + begin, block.end),
                   std::min(block.begin + begin + piece, block.end)};
    };
    const Range mine = part(group.rank());
    const std::span<const float> send(own.row(std::min(begin, own.rows)),
                                      static_cast<std::size_t>(mine.size() * own.cols));
    const std::vector<float> rows = gather_to_root(group, send, purpose);
    if (group.rank() != 0) continue;
    std::size_t at = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      const Range r = part(rank);
      const auto floats = static_cast<std::size_t>(r.size() * own.cols);
      if (floats > 0) sink(r.begin, std::span(rows).subspan(at, floats));
      at += floats;
    }
  }
}

}  // namespace opx::train
