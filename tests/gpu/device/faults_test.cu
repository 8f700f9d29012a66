// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What the host runtime and AddressSanitizer see: kernels that leave their memory, a host that reads the
// device's, memory used after it was given back. And Devices of several threads that do not disturb each
// other.
#include <atomic>
#include <thread>
#include <vector>

#include "device/gpu/api.hpp"
#include "device/transfer.hpp"
#include "support/gpu.hpp"

namespace opx::device::gpu {
namespace {

struct Count {
  static constexpr const char* kName = "count";
  static constexpr int kThreads = 64;
  std::uint32_t* out;
  Index n;
  OPX_DEVICE void operator()() const {
    for (Index i = global_thread(); i < n; i += all_threads()) out[i] = static_cast<std::uint32_t>(i);
  }
};

/// Each block doubles, by way of shared memory, what a neighbour in the block holds.
struct DoubleOfNeighbour {
  static constexpr const char* kName = "double_of_neighbour";
  static constexpr int kThreads = 64;
  struct Memory {
    std::uint32_t values[kThreads];
  };
  std::uint32_t* data;
  OPX_DEVICE void operator()() const {
    auto& memory = shared<Memory>();
    memory.values[thread()] = data[global_thread()];
    sync_threads();
    data[global_thread()] = 2 * memory.values[(thread() + 1) % block_threads()];
  }
};

struct PastSharedMemory {
  static constexpr const char* kName = "past_shared_memory";
  static constexpr int kThreads = 32;
  struct Memory {
    int values[kThreads];
  };
  int* out;
  int by;
  OPX_DEVICE void operator()() const {
    auto& memory = shared<Memory>();
    memory.values[thread() + by] = thread();
    sync_threads();
    out[thread()] = memory.values[31 - thread()];
  }
};

class HostRuntimeDeathTest : public test::GpuTest {
 protected:
  void SetUp() override {
    test::GpuTest::SetUp();
    if (IsSkipped()) return;
    if (runtime_name() != "host") GTEST_SKIP() << "about the host runtime";
#if !defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "AddressSanitizer sees this; the build has none";
#endif
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

TEST_F(HostRuntimeDeathTest, AKernelPastItsBuffer) {
  Buffer<std::uint32_t> out(context(), 100);
  EXPECT_DEATH(
      {
        launch(gpu(), gpu().compute(), {.blocks = 2, .threads = 64}, Count{out.data(), 101});
        gpu().synchronise();
      },
      "heap-buffer-overflow");
}

TEST_F(HostRuntimeDeathTest, AKernelPastItsSharedMemory) {
  Buffer<int> out(context(), 32);
  EXPECT_DEATH(
      {
        launch(gpu(), gpu().compute(), {.blocks = 1, .threads = 32}, PastSharedMemory{out.data(), 1});
        gpu().synchronise();
      },
      "heap-buffer-overflow");
}

TEST_F(HostRuntimeDeathTest, TheHostTouchesDeviceMemory) {
  Buffer<std::uint32_t> out(context(), 100);
  launch(gpu(), gpu().compute(), {.blocks = 2, .threads = 64}, Count{out.data(), 100});
  gpu().synchronise();
  EXPECT_DEATH(out[3] = 1, "use-after-poison");
  EXPECT_DEATH(static_cast<void>(*const_cast<volatile std::uint32_t*>(out.data())), "use-after-poison");
}

TEST_F(HostRuntimeDeathTest, MemoryThatWasGivenBack) {
  EXPECT_DEATH(
      {
        auto* memory = static_cast<std::uint32_t*>(gpu().allocate(400, gpu().compute()));
        gpu().deallocate(memory, 400, gpu().compute());
        launch(gpu(), gpu().compute(), {.blocks = 2, .threads = 64}, Count{memory, 100});
        gpu().synchronise();
      },
      "heap-use-after-free");
}

using GpuThreads = test::GpuTest;

TEST_F(GpuThreads, EachHasItsDevice) {
  constexpr int kRanks = 4, kRounds = 20;
  constexpr Index kBlocks = 5, kSize = kBlocks * 64;
  std::atomic<int> good{0};
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&good, rank] {
      Context own({.threads = 1, .gpu = 0});
      Buffer<std::uint32_t> data(own, kSize);
      launch(own.gpu(), own.gpu().compute(), {.blocks = kBlocks, .threads = 64}, Count{data.data(), kSize});
      for (int round = 0; round < rank + kRounds; ++round) {
        launch(own.gpu(), own.gpu().compute(), {.blocks = kBlocks, .threads = 64},
               DoubleOfNeighbour{data.data()});
        if (round % 5 == 4) own.gpu().synchronise();
      }
      const auto got = host_copy<std::uint32_t>(own, std::span<const std::uint32_t>(data.span()));
      bool right = own.gpu().counters().launches == 1 + rank + kRounds;
      for (Index i = 0; i < kSize; ++i) {
        const Index from = i / 64 * 64 + (i + rank + kRounds) % 64;
        right = right && got[static_cast<std::size_t>(i)] == static_cast<std::uint32_t>(from)
                                                                 << (rank + kRounds);
      }
      if (right) ++good;
    });
  }
  threads.clear();
  EXPECT_EQ(good, kRanks);
}

}  // namespace
}  // namespace opx::device::gpu
