// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// A communicator per axis for one rank of a 4D grid.
#pragma once

#include <array>
#include <memory>

#include "comm/communicator.hpp"
#include "layout/grid.hpp"

namespace opx::parallel {

class ProcessGrid {
 public:
  /// Collective over `world`. Throws InvalidArgument where world.size() != grid.ranks(). `world` must outlive
  /// it.
  ProcessGrid(comm::Communicator& world, layout::Grid grid);

  [[nodiscard]] const layout::Grid& grid() const noexcept { return grid_; }
  [[nodiscard]] const layout::Coord& coord() const noexcept { return coord_; }
  [[nodiscard]] comm::Communicator& world() noexcept { return *world_; }
  /// Ranks that differ from this one in `axis` alone, ordered by it.
  [[nodiscard]] comm::Communicator& axis(layout::Axis axis) noexcept {
    return *axes_[static_cast<std::size_t>(axis)];
  }
  /// The tensor ranks of this replica, and the same tensor rank of every replica.
  [[nodiscard]] comm::Communicator& tensor() noexcept { return *tensor_; }
  [[nodiscard]] comm::Communicator& data() noexcept { return *data_; }

 private:
  layout::Grid grid_;
  layout::Coord coord_;
  comm::Communicator* world_;
  std::array<std::unique_ptr<comm::Communicator>, 3> axes_;
  std::unique_ptr<comm::Communicator> tensor_, data_;
};

}  // namespace opx::parallel
