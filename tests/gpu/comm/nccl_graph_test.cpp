// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Errors while captured collectives live. As NCCL does, the stand-in ends a communicator only when the graphs
// that were captured with it have gone: a thread that unwinds and owns such a graph must not wait for that.
#include <vector>

#include "device/gpu/graph_memory.hpp"
#include "device/transfer.hpp"
#include "support/gpu.hpp"
#include "support/nccl_ranks.hpp"

namespace opx::comm {
namespace {

using device::gpu::GraphMemory;
using Rank = test::NcclRank;

class GpuNcclGraph : public test::GpuTest {
 protected:
  void TearDown() override { EXPECT_FALSE(test::fake_nccl_waited_in_vain()); }
};

/// An all_reduce over `group`, captured.
class CapturedSum {
 public:
  CapturedSum(Rank& rank, Communicator& group)
      : device_(rank.context.gpu()), group_(group), memory_(device_), data_(rank.context, 1000) {
    const std::vector<float> ones(1000, 1.0F);
    device::detail::copy_to_device(rank.context, data_.data(), ones.data(), ones.size() * sizeof(float));
    const GraphMemory::Use use(memory_);
    for (int i = 0; i < 2; ++i) {
      memory_.restart();
      sum();
    }
    device_.begin_capture(device_.compute(), memory_);
    sum();
    graph_ = device_.end_capture();
  }
  ~CapturedSum() {
    try {
      device_.synchronise();
    } catch (...) {  // what the test is about unwinds already
    }
  }
  void launch() {
    group_.check_streams();
    device_.launch(graph_, device_.compute());
    group_.watch_stream(device_.compute(), "a captured sum");
  }
  [[nodiscard]] std::span<float> data() { return data_.span(); }

 private:
  void sum() { group_.all_reduce(data_.span(), ReduceOp::kSum, CommPurpose::kGradient); }

  device::gpu::Device& device_;
  Communicator& group_;
  GraphMemory memory_;
  device::Buffer<float> data_;
  device::gpu::GraphExec graph_;
};

std::string failure(int ranks, base::FunctionRef<void(Rank&)> body) {
  try {
    run_threads(ranks, {.timeout_seconds = 60}, [&](Communicator& world) {
      Rank rank(world);
      body(rank);
    });
  } catch (const base::Error& e) {
    return e.what();
  }
  return "";
}

/// What the ranks that did not fail do: they launch until they hear of it.
void go_on(Rank& rank, CapturedSum& graph) {
  for (int i = 0; i < 10000; ++i) {
    graph.launch();
    rank.context.gpu().synchronise();
  }
  ADD_FAILURE() << "rank " << rank.threads.rank() << " heard of no error";
}

TEST_F(GpuNcclGraph, LaunchesSumAndEndInOrder) {
  test::with_nccl_ranks({3}, [](Rank& rank) {
    CapturedSum graph(rank, *rank.nccl);
    graph.launch();
    rank.context.gpu().synchronise();
    const auto got = device::host_copy<float>(rank.context, std::span<const float>(graph.data()));
    EXPECT_EQ(got, std::vector<float>(1000, 27.0F));  // twice before the capture, once by the graph
    rank.threads.barrier();
  });
}

// A request is given up while its rank's graph lives.
TEST_F(GpuNcclGraph, AnErrorWithACollectiveUnderWay) {
  const std::string text = failure(3, [](Rank& rank) {
    device::Buffer<float> more(rank.context, 1000);
    CapturedSum graph(rank, *rank.nccl);
    graph.launch();
    if (rank.threads.rank() != 1) return go_on(rank, graph);
    const Request under_way = rank.nccl->iall_reduce(more.span(), ReduceOp::kSum, CommPurpose::kForward);
    throw base::InputError("a broken disk");
  });
  EXPECT_EQ(text, "rank 1: a broken disk");
}

// A group ends while its rank unwinds and another's, or its own, graph lives.
TEST_F(GpuNcclGraph, AnErrorThatEndsAGroupBeforeTheGraph) {
  const std::string text = failure(2, [](Rank& rank) {
    std::unique_ptr<CapturedSum> graph;
    std::unique_ptr<Communicator> group = rank.nccl->split(0, rank.threads.rank(), CommAxis::kX);
    graph = std::make_unique<CapturedSum>(rank, *group);
    graph->launch();
    const std::unique_ptr<Communicator> first_to_end = std::move(group);
    if (rank.threads.rank() != 0) return go_on(rank, *graph);
    throw base::InputError("a broken disk");
  });
  EXPECT_EQ(text, "rank 0: a broken disk");
}

TEST_F(GpuNcclGraph, AJobThatIsAborted) {
  const std::string text = failure(3, [](Rank& rank) {
    CapturedSum graph(rank, *rank.nccl);
    graph.launch();
    if (rank.threads.rank() == 2) rank.nccl->abort("no more");
    go_on(rank, graph);
  });
  EXPECT_EQ(text, "rank 2: no more");
}

}  // namespace
}  // namespace opx::comm
