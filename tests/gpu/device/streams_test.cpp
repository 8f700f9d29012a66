// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What device.hpp promises: memory, copies, the order of streams, counters.
#include <cstring>
#include <vector>

#include "base/error.hpp"
#include "device/transfer.hpp"
#include "support/gpu.hpp"

namespace opx::device::gpu {
namespace {

using GpuStreams = test::GpuTest;

TEST_F(GpuStreams, MemoryIsAlignedAndKnown) {
  void* p = gpu().allocate(100, gpu().compute());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 256, 0U);
  EXPECT_TRUE(Device::is_device_memory(p));
  EXPECT_TRUE(Device::is_device_memory(static_cast<std::byte*>(p) + 99));
  const int here = 0;
  EXPECT_FALSE(Device::is_device_memory(&here));
  gpu().deallocate(p, 100, gpu().compute());
  gpu().synchronise();
}

TEST_F(GpuStreams, TooMuchMemory) {
  const std::size_t much = std::size_t{1} << 46;
  try {
    (void)gpu().allocate(much, gpu().compute());
    FAIL() << "64 TiB were there";
  } catch (const base::OutOfMemory& e) {
    EXPECT_NE(std::string(e.what()).find(std::to_string(much)), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("free"), std::string::npos) << e.what();
  }
}

TEST_F(GpuStreams, EventsOrderStreams) {
  const Stream compute = gpu().compute(), copies = gpu().stream(StreamUse::kCopy);
  constexpr std::size_t kBytes = 4096;
  void* memory = gpu().allocate(kBytes, compute);
  auto* pinned = static_cast<std::uint8_t*>(gpu().allocate_pinned(kBytes));
  for (int round = 1; round <= 20; ++round) {
    gpu().fill_bytes(memory, round, kBytes, compute);
    Event filled;
    gpu().record(filled, compute);
    gpu().wait(copies, filled);
    gpu().copy(pinned, memory, kBytes, copies);
    gpu().order(copies, compute);
    gpu().fill_bytes(memory, 0, kBytes, compute);
    gpu().synchronise(copies);
    for (std::size_t i = 0; i < kBytes; i += 511) ASSERT_EQ(pinned[i], round);
  }
  gpu().deallocate(memory, kBytes, compute);
  gpu().synchronise();
  gpu().deallocate_pinned(pinned, kBytes);
}

TEST_F(GpuStreams, CopiesOfRowsAndCounters) {
  const Stream stream = gpu().compute();
  gpu().reset_counters();
  std::vector<std::uint8_t> from(5 * 16), to(5 * 12, 0xEE);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::uint8_t>(i);
  void* memory = gpu().allocate(5 * 32, stream);
  gpu().copy_2d(memory, 32, from.data(), 16, 10, 5, stream);
  std::fill(from.begin(), from.end(), std::uint8_t{0xFF});  // it has been read
  EXPECT_EQ(gpu().counters().synchronisations, 0);
  gpu().copy_2d(to.data(), 12, memory, 32, 10, 5, stream);
  EXPECT_EQ(gpu().counters().synchronisations, 1);
  EXPECT_EQ(gpu().counters().bytes_to_device, 50);
  EXPECT_EQ(gpu().counters().bytes_to_host, 50);
  for (std::size_t r = 0; r < 5; ++r) {
    for (std::size_t c = 0; c < 12; ++c) EXPECT_EQ(to[r * 12 + c], c < 10 ? r * 16 + c : 0xEE);
  }
  gpu().deallocate(memory, 5 * 32, stream);
  gpu().synchronise();
}

}  // namespace
}  // namespace opx::device::gpu
