// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// One slot that is filled again and again while the compute stream still has to read it: what each use brings
// is read whole, whatever the order of the streams, and the thread that computes never waits.
#include "device/upload.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "device/transfer.hpp"
#include "support/gpu.hpp"

namespace opx::device {
namespace {

using GpuUpload = test::GpuTest;

std::vector<std::int32_t> numbers(int use, std::size_t count) {
  std::vector<std::int32_t> values(count);
  std::iota(values.begin(), values.end(), 1000 * use);
  return values;
}

TEST_F(GpuUpload, EveryUseBringsItsOwn) {
  constexpr int kUses = 24;
  constexpr std::size_t kCount = 100;
  Upload slot(context());
  std::vector<Buffer<std::int32_t>> seen;
  for (int use = 0; use < kUses; ++use) seen.emplace_back(context(), static_cast<Index>(kCount));
  gpu().reset_counters();
  for (int use = 0; use < kUses; ++use) {
    const std::vector<std::uint8_t> other(static_cast<std::size_t>(use), 7);  // moves what follows
    auto values = numbers(use, kCount);
    slot.begin();
    (void)slot.add(std::span<const std::uint8_t>(other));
    const Uploaded<std::int32_t> part = slot.add(std::span<const std::int32_t>(values));
    std::fill(values.begin(), values.end(), -1);
    slot.send();
    slot.receive();
    gpu().copy(seen[static_cast<std::size_t>(use)].data(), slot.there(part).data(),
               kCount * sizeof(std::int32_t), gpu().compute());
    slot.release();
  }
  EXPECT_EQ(gpu().counters().synchronisations, 0);
  for (int use = 0; use < kUses; ++use)
    EXPECT_EQ(host_copy(context(), std::as_const(seen[static_cast<std::size_t>(use)]).span()),
              numbers(use, kCount))
        << use;
}

TEST_F(GpuUpload, RoomBehindAnArrayKeepsThePlacesOfOthers) {
  Upload slot(context());
  std::size_t place = 0, bytes = 0;
  for (const std::size_t count : {100U, 3U, 0U}) {
    const auto values = numbers(2, count), others = numbers(3, 5);
    slot.begin();
    const auto part = slot.add(std::span<const std::int32_t>(values), 100, -7);
    (void)slot.add(std::span<const std::int32_t>(values), 200);
    const auto other = slot.add(std::span<const std::int32_t>(others));
    slot.send();
    slot.receive();
    std::vector<std::int32_t> expected = values;
    expected.resize(100, -7);
    EXPECT_EQ(host_copy(context(), std::span<const std::int32_t>(slot.there(part))), expected);
    Buffer<std::byte> copy(context(), static_cast<Index>(slot.bytes()));
    gpu().copy(copy.data(), slot.there(), slot.bytes(), gpu().compute());
    EXPECT_EQ(host_copy(context(), std::span<const std::int32_t>(Upload::at(copy.data(), other))), others);
    if (count == 100) place = other.offset, bytes = slot.bytes();
    EXPECT_EQ(other.offset, place);
    EXPECT_EQ(slot.bytes(), bytes);
    slot.release();
  }
}

TEST_F(GpuUpload, MemoryGrowsAndIsGivenBack) {
  const std::size_t before = context().memory().now();
  {
    Upload slot(context());
    for (const std::size_t count : {0U, 3U, 5000U, 10U, 200000U}) {
      const auto values = numbers(1, count);
      slot.begin();
      const auto part = slot.add(std::span<const std::int32_t>(values));
      slot.send();
      slot.receive();
      EXPECT_EQ(host_copy(context(), std::span<const std::int32_t>(slot.there(part))), values);
      slot.release();
    }
    EXPECT_GE(context().memory().now(), before + 800000);
  }
  EXPECT_EQ(context().memory().now(), before);
}

// Written in place; no memory is taken until it holds more than was reserved.
TEST_F(GpuUpload, RoomOfReservedMemory) {
  constexpr std::size_t kMost = 3000;
  Upload slot(context());
  slot.reserve(2 * kMost * sizeof(std::int32_t) + 2 * Upload::kAlignment);
  const std::size_t held = context().memory().now();
  for (const std::size_t count : {kMost, std::size_t{0}, std::size_t{7}, kMost}) {
    const auto values = numbers(static_cast<int>(count), count);
    slot.begin();
    const auto first = slot.room<std::int32_t>(count), second = slot.room<std::int32_t>(count);
    std::ranges::copy(values, slot.here(first).begin());
    std::ranges::fill(slot.here(second), 5);
    slot.send();
    slot.receive();
    EXPECT_EQ(host_copy(context(), std::span<const std::int32_t>(slot.there(first))), values);
    EXPECT_EQ(host_copy(context(), std::span<const std::int32_t>(slot.there(second))),
              std::vector<std::int32_t>(count, 5));
    slot.release();
    EXPECT_EQ(context().memory().now(), held);
  }
}

}  // namespace
}  // namespace opx::device
