// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Captured work: what is recorded runs when it is launched, with what its memory holds then, in one launch;
// memory is the graph's own; what a graph cannot hold is refused.
#include <cstring>
#include <vector>

#include "base/error.hpp"
#include "device/gpu/api.hpp"
#include "device/gpu/graph_memory.hpp"
#include "support/gpu.hpp"

namespace opx::device::gpu {
namespace {

constexpr Index kSize = 300;
constexpr std::size_t kBytes = static_cast<std::size_t>(kSize) * sizeof(float);

/// y = factor x + x of the neighbour on the right.
struct Mix {
  static constexpr const char* kName = "mix";
  static constexpr int kThreads = 64;
  float factor;
  const float* x;
  float* y;
  OPX_DEVICE void operator()() const {
    for (Index i = global_thread(); i < kSize; i += all_threads())
      y[i] = factor * x[i] + x[i + 1 < kSize ? i + 1 : 0];
  }
};

class GpuGraph : public test::GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped()) return;
    in_ = static_cast<float*>(gpu().allocate_pinned(kBytes));
    x_ = static_cast<float*>(gpu().allocate(kBytes, gpu().compute()));
    y_ = static_cast<float*>(gpu().allocate(kBytes, gpu().compute()));
  }
  void TearDown() override {
    if (IsSkipped()) return;
    gpu().deallocate(x_, kBytes, gpu().compute());
    gpu().deallocate(y_, kBytes, gpu().compute());
    gpu().synchronise();
    gpu().deallocate_pinned(in_, kBytes);
  }

  void mix(Stream stream, float factor, const float* x, float* y) {
    launch(gpu(), stream, {.blocks = 5, .threads = 64}, Mix{factor, x, y});
  }
  /// y_ from in_ by kernels on two streams, with memory on the way.
  void work(std::size_t scratch = kBytes) {
    Device& device = gpu();
    const Stream compute = device.compute(), other = device.stream(StreamUse::kComm);
    device.copy(x_, in_, kBytes, compute);
    auto* a = static_cast<float*>(device.allocate(scratch, compute));
    mix(compute, 2, x_, a);
    device.order(compute, other);
    auto* b = static_cast<float*>(device.allocate(kBytes, other));
    mix(other, 3, a, b);
    mix(compute, 4, x_, y_);  // beside it
    device.order(other, compute);
    mix(compute, 5, b, y_);
    device.deallocate(b, kBytes, compute);
    device.deallocate(a, scratch, compute);
  }
  void set_input(int round) {
    gpu().synchronise();
    for (Index i = 0; i < kSize; ++i) in_[i] = static_cast<float>((i * 7 + round * 13) % 32);
  }
  std::vector<float> result() {
    std::vector<float> y(static_cast<std::size_t>(kSize));
    gpu().copy(y.data(), y_, kBytes, gpu().compute());
    return y;
  }
  [[nodiscard]] std::vector<float> wanted() const {
    std::vector<float> now(in_, in_ + kSize);
    for (const float factor : {2.0F, 3.0F, 5.0F}) {
      std::vector<float> next(now.size());
      for (std::size_t i = 0; i < now.size(); ++i) next[i] = factor * now[i] + now[(i + 1) % now.size()];
      now = next;
    }
    return now;
  }
  /// Runs the work with the memory until it asks for nothing new, then captures it.
  GraphExec captured(GraphMemory& memory) {
    const GraphMemory::Use use(memory);
    for (std::size_t before = 1; before != memory.bytes();) {
      before = memory.bytes();
      memory.restart();
      work();
    }
    gpu().begin_capture(gpu().compute(), memory);
    work();
    return gpu().end_capture();
  }
  void expect_refusal(base::FunctionRef<void()> what, const char* text) {
    GraphMemory memory(gpu());
    const GraphMemory::Use use(memory);
    gpu().begin_capture(gpu().compute(), memory);
    EXPECT_TRUE(gpu().capturing());
    try {
      what();
      ADD_FAILURE() << "not refused: " << text;
    } catch (const base::DeviceError& e) {
      EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
    }
    gpu().abandon_capture();
    EXPECT_FALSE(gpu().capturing());
  }

  float *in_ = nullptr, *x_ = nullptr, *y_ = nullptr;
};

TEST_F(GpuGraph, LaunchesGiveWhatTheWorkGivesInOneLaunchEach) {
  set_input(0);
  GraphMemory memory(gpu());
  const GraphExec graph = captured(memory);
  const std::size_t bytes = memory.bytes();
  EXPECT_EQ(bytes, 2 * kBytes);
  for (int round = 1; round <= 6; ++round) {
    set_input(round);
    gpu().reset_counters();
    gpu().launch(graph, gpu().compute());
    EXPECT_EQ(gpu().counters().launches, 1);
    EXPECT_EQ(gpu().counters().synchronisations, 0);
    ASSERT_EQ(result(), wanted()) << round;
  }
  EXPECT_EQ(memory.bytes(), bytes);
  set_input(7);
  work();  // as ever
  EXPECT_EQ(result(), wanted());
}

TEST_F(GpuGraph, LaunchesFollowOneAnotherAndWhatTheStreamHolds) {
  set_input(0);
  GraphMemory memory(gpu());
  const GraphExec graph = captured(memory);
  set_input(3);
  for (int k = 0; k < 3; ++k) gpu().launch(graph, gpu().compute());
  mix(gpu().compute(), 1, y_, x_);
  gpu().copy(y_, x_, kBytes, gpu().compute());
  std::vector<float> want = wanted();
  const std::vector<float> before = want;
  for (std::size_t i = 0; i < want.size(); ++i) want[i] += before[(i + 1) % want.size()];
  EXPECT_EQ(result(), want);
}

TEST_F(GpuGraph, NothingRunsWhileItIsCaptured) {
  gpu().fill_bytes(y_, 0, kBytes, gpu().compute());
  set_input(1);
  GraphMemory memory(gpu());
  {
    const GraphMemory::Use use(memory);
    gpu().begin_capture(gpu().compute(), memory);
    mix(gpu().compute(), 1, x_, y_);
    static_cast<void>(gpu().end_capture());
  }
  EXPECT_EQ(result(), std::vector<float>(static_cast<std::size_t>(kSize)));
}

TEST_F(GpuGraph, MemoryGivenBackDuringTheCaptureStays) {
  set_input(1);
  auto* early = static_cast<float*>(gpu().allocate(kBytes, gpu().compute()));
  gpu().copy(early, in_, kBytes, gpu().compute());
  GraphMemory memory(gpu());
  GraphExec graph;
  {
    const GraphMemory::Use use(memory);
    gpu().begin_capture(gpu().compute(), memory);
    mix(gpu().compute(), 1, early, y_);
    gpu().deallocate(early, kBytes, gpu().compute());
    graph = gpu().end_capture();
  }
  std::vector<float> want(static_cast<std::size_t>(kSize));
  for (std::size_t i = 0; i < want.size(); ++i) want[i] = in_[i] + in_[(i + 1) % want.size()];
  for (int k = 0; k < 2; ++k) {
    gpu().launch(graph, gpu().compute());
    EXPECT_EQ(result(), want);
  }
}

TEST_F(GpuGraph, BlocksThatAreHeldOutliveTheMemory) {
  void* held = nullptr;
  {
    GraphMemory memory(gpu());
    const GraphMemory::Use use(memory);
    held = gpu().allocate(kBytes, gpu().compute());
  }
  gpu().fill_bytes(held, 1, kBytes, gpu().compute());
  gpu().deallocate(held, kBytes, gpu().compute());
  gpu().synchronise();
}

TEST_F(GpuGraph, RefusesWhatItCannotHold) {
  set_input(0);
  std::vector<float> pageable(static_cast<std::size_t>(kSize));
  expect_refusal([&] { gpu().synchronise(gpu().compute()); }, "synchronise");
  expect_refusal([&] { gpu().copy(x_, pageable.data(), kBytes, gpu().compute()); }, "not pinned");
  expect_refusal([&] { gpu().copy(pageable.data(), x_, kBytes, gpu().compute()); }, "not pinned");
  expect_refusal([&] { static_cast<void>(gpu().allocate(77, gpu().compute())); }, "did not ask for before");
  set_input(2);
  work();
  EXPECT_EQ(result(), wanted()) << "the streams are as before";
}

TEST_F(GpuGraph, MemoryGivenBackAfterTheCaptureStaysToo) {
  set_input(0);
  GraphMemory memory(gpu());
  const GraphExec graph = captured(memory);
  gpu().deallocate(x_, kBytes, gpu().compute());
  x_ = static_cast<float*>(gpu().allocate(kBytes, gpu().compute()));
  gpu().fill_bytes(x_, 0xFF, kBytes, gpu().compute());
  set_input(4);
  gpu().launch(graph, gpu().compute());
  EXPECT_EQ(result(), wanted());
}

// Of the host runtime alone: CUDA finds the first of these when the capture ends, and the second never.
TEST_F(GpuGraph, EventsFromOutsideAndMemoryThatIsGone) {
  if (runtime_name() != "host") GTEST_SKIP() << "the host runtime's own checks";
  Event before;
  gpu().record(before, gpu().stream(StreamUse::kCopy));
  expect_refusal([&] { gpu().wait(gpu().compute(), before); }, "outside of the capture");

  set_input(0);
  GraphExec graph;
  {
    GraphMemory memory(gpu());
    graph = captured(memory);
    gpu().launch(graph, gpu().compute());
    gpu().synchronise();
  }
  try {
    gpu().launch(graph, gpu().compute());
    FAIL() << "the graph's memory is gone";
  } catch (const base::DeviceError& e) {
    EXPECT_NE(std::string(e.what()).find("given back after the capture"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace opx::device::gpu
