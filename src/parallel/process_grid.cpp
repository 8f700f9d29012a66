// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "parallel/process_grid.hpp"

#include "base/error.hpp"

namespace opx::parallel {

namespace {

comm::CommAxis comm_axis(layout::Axis axis) noexcept {
  switch (axis) {
    case layout::Axis::kX:
      return comm::CommAxis::kX;
    case layout::Axis::kY:
      return comm::CommAxis::kY;
    default:
      return comm::CommAxis::kZ;
  }
}

}  // namespace

ProcessGrid::ProcessGrid(comm::Communicator& world, layout::Grid grid) : grid_(grid), world_(&world) {
  OPX_REQUIRE(world.size() == grid.ranks(), InvalidArgument, "grid {} has {} ranks, but the job has {}",
              layout::to_string(grid), grid.ranks(), world.size());
  coord_ = grid.coord_of(world.rank());
  tensor_ = world.split(coord_.d, world.rank(), comm::CommAxis::kTensor);
  for (const layout::Axis axis : {layout::Axis::kX, layout::Axis::kY, layout::Axis::kZ}) {
    layout::Coord first = coord_;  // of the group: names it
    first[axis] = 0;
    axes_[static_cast<std::size_t>(axis)] = world.split(grid.rank_of(first), coord_[axis], comm_axis(axis));
  }
  data_ = world.split(tensor_->rank(), coord_.d, comm::CommAxis::kD);
}

}  // namespace opx::parallel
