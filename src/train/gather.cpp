// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "train/gather.hpp"

#include <algorithm>

namespace opx::train {

void stream_rows_to_root(comm::Communicator& group, Index vertices, tensor::MatrixView<const float> own,
                         comm::CommPurpose purpose,
                         base::FunctionRef<void(Index, std::span<const float>)> sink) {
  constexpr Index kPieceFloats = Index{16} << 20;
  const Range block = layout::block_range(vertices, group.size(), group.rank());
  const Index piece = std::max<Index>(1, kPieceFloats / std::max<Index>(1, own.cols));
  for (Index begin = 0; begin < vertices; begin += piece) {
    const Index first = std::clamp(begin, block.begin, block.end);
    const Index last = std::clamp(begin + piece, block.begin, block.end);
    const std::span<const float> send(own.row(std::min(first - block.begin, own.rows)),
                                      static_cast<std::size_t>((last - first) * own.cols));
    const std::vector<float> rows = gather_to_root(group, send, purpose);
    if (group.rank() == 0) sink(begin, rows);
  }
}

}  // namespace opx::train
