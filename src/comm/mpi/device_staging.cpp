// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/mpi/device_staging.hpp"

#include <algorithm>
#include <bit>

namespace opx::comm::mpi {
namespace {

constexpr std::size_t kMostFree = 8;
constexpr std::size_t kGrain = std::size_t{64} << 10;

// Shares that differ by a few rows are one size: eight sizes between a power of two and the next.
std::size_t rounded(std::size_t bytes) {
  const std::size_t grain = std::max(kGrain, std::bit_floor(bytes) / 8);
  return (std::max<std::size_t>(bytes, 1) + grain - 1) / grain * grain;
}

}  // namespace

DeviceStaging::~DeviceStaging() {
  for (const Block& block : free_) end(block);
}

// What is on the compute stream may read the block still.
void DeviceStaging::end(const Block& block) noexcept {
  try {
    settle();
  } catch (...) {  // a lost device has said so
  }
  device().deallocate_shareable(block.data, block.bytes);
  context_.memory().remove(block.bytes);
}

std::shared_ptr<std::byte> DeviceStaging::take(Index bytes) {
  const std::size_t wanted = rounded(static_cast<std::size_t>(bytes));
  auto best = free_.end();
  for (auto it = free_.begin(); it != free_.end(); ++it)
    if (it->bytes >= wanted && (best == free_.end() || it->bytes < best->bytes)) best = it;
  Block block{};
  if (best != free_.end()) {
    block = *best;
    free_.erase(best);
  } else {
    block = {static_cast<std::byte*>(device().allocate_shareable(wanted)), wanted};
    context_.memory().add(wanted);
  }
  return {block.data, [self = shared_from_this(), block](std::byte*) { self->give(block); }};
}

// Beyond the limit the smallest goes: large blocks are the ones worth keeping.
void DeviceStaging::give(Block block) noexcept {
  try {
    free_.push_back(block);
  } catch (...) {  // no memory for the list
    return end(block);
  }
  if (free_.size() <= kMostFree) return;
  const auto least = std::ranges::min_element(free_, {}, &Block::bytes);
  end(*least);
  free_.erase(least);
}

void DeviceStaging::settle() {
  device().record(settled_, device().compute());
  device().wait_on_host(settled_);
}

}  // namespace opx::comm::mpi
