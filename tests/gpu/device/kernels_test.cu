// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What api.hpp promises to kernels, and that the host runtime sees kernels that break its rules.
#include <numeric>
#include <set>
#include <vector>

#include "base/error.hpp"
#include "device/gpu/api.hpp"
#include "device/transfer.hpp"
#include "support/gpu.hpp"

namespace opx::device::gpu {
namespace {

struct Number {
  static constexpr const char* kName = "number";
  static constexpr int kThreads = 128;
  Index* out;
  Index n;
  OPX_DEVICE void operator()() const {
    for (Index i = global_thread(); i < n; i += all_threads()) out[i] = 3 * i + 1;
  }
};

// Each block writes its numbers and reads them the other way round.
template <bool kBarrier>
struct Reverse {
  static constexpr const char* kName = "reverse";
  static constexpr int kThreads = 128;
  struct Memory {
    int values[kThreads];
  };
  int* out;
  OPX_DEVICE void operator()() const {
    auto& memory = shared<Memory>();
    memory.values[thread()] = thread() + 1;
    if constexpr (kBarrier) sync_threads();
    out[global_thread()] = memory.values[block_threads() - 1 - thread()];
  }
};

struct WarpSum {
  static constexpr const char* kName = "warp_sum";
  static constexpr int kThreads = 64;
  int* sums;
  unsigned* votes;
  int* down;
  OPX_DEVICE void operator()() const {
    int v = thread();
    for (int by = 16; by > 0; by /= 2) v += shuffle_xor(v, by);
    sums[thread()] = shuffle(v, 7);
    votes[thread()] = ballot(lane() % 3 == 0);
    sync_warp();
    down[thread()] = shuffle_down(lane(), 4);
  }
};

struct Atomics {
  static constexpr const char* kName = "atomics";
  static constexpr int kThreads = 64;
  std::uint32_t* sum;
  std::int32_t* most;
  OPX_DEVICE void operator()() const {
    atomic_add(sum, std::uint32_t{2});
    atomic_max(most, static_cast<std::int32_t>(global_thread()));
  }
};

struct Dynamic {
  static constexpr const char* kName = "dynamic";
  static constexpr int kThreads = 32;
  int* out;
  OPX_DEVICE void operator()() const {
    auto* memory = reinterpret_cast<int*>(dynamic_shared());
    memory[thread()] = thread() * thread();
    sync_threads();
    out[thread()] = memory[(thread() + 1) % 32];
  }
};

struct Divergent {
  static constexpr const char* kName = "divergent_kernel";
  static constexpr int kThreads = 64;
  OPX_DEVICE void operator()() const {
    if (thread() != 5) sync_threads();
  }
};

struct DivergentWarp {
  static constexpr const char* kName = "divergent_warp";
  static constexpr int kThreads = 64;
  OPX_DEVICE void operator()() const {
    if (lane() < 16)
      sync_warp();
    else
      sync_warp();
  }
};

using GpuKernels = test::GpuTest;

TEST_F(GpuKernels, EveryThreadRunsOnce) {
  for (const Index n : {Index{1}, Index{127}, Index{128}, Index{10'001}}) {
    Buffer<Index> out(context(), n);
    launch(gpu(), gpu().compute(), {.blocks = blocks_for(n, 128), .threads = 128}, Number{out.data(), n});
    const auto got = host_copy<Index>(context(), out.span());
    for (Index i = 0; i < n; ++i) ASSERT_EQ(got[static_cast<std::size_t>(i)], 3 * i + 1);
  }
}

TEST_F(GpuKernels, BarriersAndSharedMemory) {
  Buffer<int> out(context(), 128 * 5);
  launch(gpu(), gpu().compute(), {.blocks = 5, .threads = 128}, Reverse<true>{out.data()});
  const auto got = host_copy<int>(context(), out.span());
  for (int i = 0; i < 128 * 5; ++i) ASSERT_EQ(got[static_cast<std::size_t>(i)], 128 - i % 128);
}

TEST_F(GpuKernels, ShufflesAndVotes) {
  Buffer<int> sums(context(), 64), down(context(), 64);
  Buffer<unsigned> votes(context(), 64);
  launch(gpu(), gpu().compute(), {.blocks = 1, .threads = 64},
         WarpSum{sums.data(), votes.data(), down.data()});
  const auto got = host_copy<int>(context(), sums.span());
  const auto voted = host_copy<unsigned>(context(), votes.span());
  const auto moved = host_copy<int>(context(), down.span());
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_EQ(got[i], i < 32 ? 496 : 496 + 32 * 32);
    EXPECT_EQ(voted[i], 0x49249249U);
    EXPECT_EQ(moved[i], static_cast<int>(i % 32 + 4 < 32 ? i % 32 + 4 : i % 32));
  }
}

TEST_F(GpuKernels, AtomicsReturnOnceEach) {
  Buffer<std::uint32_t> sum(context(), 1);
  Buffer<std::int32_t> most(context(), 1);
  set_zero(context(), sum.span());
  set_zero(context(), most.span());
  launch(gpu(), gpu().compute(), {.blocks = 7, .threads = 64}, Atomics{sum.data(), most.data()});
  EXPECT_EQ(host_copy<std::uint32_t>(context(), sum.span())[0], 2U * 7 * 64);
  EXPECT_EQ(host_copy<std::int32_t>(context(), most.span())[0], 7 * 64 - 1);
}

TEST_F(GpuKernels, DynamicSharedMemory) {
  Buffer<int> out(context(), 32);
  launch(gpu(), gpu().compute(), {.blocks = 1, .threads = 32, .dynamic_shared = 32 * sizeof(int)},
         Dynamic{out.data()});
  const auto got = host_copy<int>(context(), out.span());
  for (int i = 0; i < 32; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)], (i + 1) % 32 * ((i + 1) % 32));
}

TEST_F(GpuKernels, LaunchShapes) {
  gpu().reset_counters();
  launch(gpu(), gpu().compute(), {.blocks = 0, .threads = 128}, Number{nullptr, 0});
  EXPECT_EQ(gpu().counters().launches, 0);
  launch(gpu(), gpu().compute(), {.blocks = 1, .threads = 32}, Number{nullptr, 0});
  EXPECT_EQ(gpu().counters().launches, 1);
  for (const int threads : {0, 31, 256}) {
    EXPECT_THROW(launch(gpu(), gpu().compute(), {.blocks = 1, .threads = threads}, Number{nullptr, 0}),
                 base::DeviceError);
  }
  EXPECT_THROW(
      launch(gpu(), gpu().compute(), {.blocks = 1, .threads = 32, .dynamic_shared = std::size_t{1} << 30},
             Number{nullptr, 0}),
      base::DeviceError);
  gpu().synchronise();
}

class HostRuntime : public test::GpuTest {
 protected:
  void SetUp() override {
    test::GpuTest::SetUp();
    if (!IsSkipped() && runtime_name() != "host") GTEST_SKIP() << "about the host runtime";
  }
};

template <class Kernel>
std::string failure(Device& device, const Kernel& kernel) {
  launch(device, device.compute(), {.blocks = 2, .threads = 64}, kernel);
  try {
    device.synchronise();
  } catch (const base::DeviceError& e) {
    return e.what();
  }
  return "";
}

TEST_F(HostRuntime, DivergenceNamesTheKernel) {
  EXPECT_NE(failure(gpu(), Divergent{}).find("divergent_kernel"), std::string::npos);
  EXPECT_NE(failure(gpu(), DivergentWarp{}).find("divergent_warp"), std::string::npos);
  Buffer<Index> out(context(), 64);  // and the Device goes on
  launch(gpu(), gpu().compute(), {.blocks = 1, .threads = 64}, Number{out.data(), 64});
  EXPECT_EQ(host_copy<Index>(context(), out.span())[63], 190);
}

TEST_F(HostRuntime, MissingBarrierMoves) {
  std::set<std::vector<int>> answers;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Device device({.seed = seed});
    auto* out = static_cast<int*>(device.allocate(128 * sizeof(int), device.compute()));
    launch(device, device.compute(), {.blocks = 1, .threads = 128}, Reverse<false>{out});
    std::vector<int> got(128);
    device.copy(got.data(), out, 128 * sizeof(int), device.compute());
    device.deallocate(out, 128 * sizeof(int), device.compute());
    answers.insert(got);
  }
  EXPECT_GT(answers.size(), 1U);
}

TEST_F(HostRuntime, MissingEventMoves) {
  std::set<Index> answers;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Device device({.seed = seed});
    auto* out = static_cast<Index*>(device.allocate(8, device.compute()));
    device.fill_bytes(out, 0, 8, device.compute());
    launch(device, device.compute(), {.blocks = 1, .threads = 32}, Number{out, 1});
    Index got = -1;
    device.copy(&got, out, 8, device.stream(StreamUse::kCopy));
    device.deallocate(out, 8, device.compute());
    answers.insert(got);
  }
  EXPECT_GT(answers.size(), 1U);
}

}  // namespace
}  // namespace opx::device::gpu
