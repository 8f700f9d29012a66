// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// What training leaves behind when something fails: a GPU that is lost, a capture that one rank does not
// manage, an error while a captured step lives. Destructors must neither throw nor wait for ever.
#include <vector>

#include "comm/staged.hpp"
#include "device/gpu/api.hpp"
#include "support/gpu.hpp"
#include "support/nccl_ranks.hpp"
#include "support/train_case.hpp"
#include "train/mini_trainer.hpp"
#include "train/step_graph.hpp"
#include "train/trainer.hpp"

namespace opx::train {
namespace {

class GpuFaults : public test::GpuTest {
 protected:
  void TearDown() override { EXPECT_FALSE(test::fake_nccl_waited_in_vain()); }
};

/// Trains on a GPU of its own that is lost after some steps; then all there is is destroyed.
template <class AnyTrainer>
void lose_while_training(const RunConfig& config) {
  const test::MemoryStore store = test::training_store(61, true);
  const auto self = comm::self_communicator();
  device::Context context({.threads = 1, .gpu = 0});
  const auto world = comm::staged_communicator(context, *self);
  parallel::ProcessGrid grid(*world, {});
  AnyTrainer trainer(context, grid, store, config);
  for (int epoch = 0; epoch < 8; ++epoch)
    for (Index s = 0; s < trainer.steps_per_epoch(); ++s) (void)trainer.step({epoch, s}, false);
  device::gpu::host::lose(context.gpu());
  EXPECT_THROW((void)trainer.step({8, 0}, false), base::DeviceError);
  EXPECT_THROW((void)trainer.evaluate(), base::DeviceError);
}

TEST_F(GpuFaults, ALostDeviceEndsInOneError) {
  for (const char* graph : {"off", "on"}) {
    RunConfig config = test::training_config("gcn");
    config.epochs = 10;
    config.cuda_graph = graph;
    lose_while_training<Trainer>(config);
  }
  RunConfig config = test::training_config("sage");
  config.epochs = 10;
  config.features_on = "host";
  lose_while_training<Trainer>(config);
}

TEST_F(GpuFaults, ALostDeviceEndsMiniBatchesInOneError) {
  for (const int depth : {0, 2}) {
    RunConfig config = test::training_config("sage");
    config.epochs = 10;
    config.mode = "mini";
    config.mini.batch_size = 20;
    config.mini.pipeline_depth = depth;
    lose_while_training<MiniTrainer>(config);
  }
}

// An error of the same kind while a collective is under way and its rank's graph lives.
TEST_F(GpuFaults, ALostDeviceOfOneRankOfSeveral) {
  const test::MemoryStore store = test::training_store(61, true);
  RunConfig config = test::training_config("gcn");
  config.epochs = 12;
  config.cuda_graph = "on";
  std::string text;
  try {
    comm::run_threads(2, {.timeout_seconds = 60}, [&](comm::Communicator& world) {
      test::NcclRank rank(world);
      parallel::ProcessGrid grid(*rank.nccl, {.gx = 2});
      Trainer trainer(rank.context, grid, store, config);
      for (int epoch = 0; epoch < 8; ++epoch) (void)trainer.step(epoch);
      EXPECT_GE(trainer.graph_launches(), 3);
      rank.context.gpu().synchronise();
      world.barrier();
      if (world.rank() == 1) device::gpu::host::lose(rank.context.gpu());
      for (int epoch = 8; epoch < 12; ++epoch) (void)trainer.step(epoch);
      rank.context.gpu().synchronise();
    });
  } catch (const base::Error& e) {
    text = e.what();
  }
  EXPECT_NE(text.find("the GPU is lost"), std::string::npos) << text;
}

/// What one rank of `refusals` captures does not allow: it waits for the host.
struct Outcome {
  std::vector<float> values;
  Index launches = 0;
  std::int64_t bytes = 0;
};

Outcome steps_with_refusals(test::NcclRank& rank, Index refusals) {
  device::Context& context = rank.context;
  const std::vector<float> ones(500, 1.0F / 3.0F);
  auto data = device::device_copy<float>(context, std::span<const float>(ones));
  Outcome out;
  {
    StepGraph graph(context, *rank.nccl);
    rank.threads.traffic().reset();
    for (int step = 0; step < 12; ++step)
      graph.run({}, [&] {
        rank.nccl->all_reduce(data.span(), comm::ReduceOp::kSum, comm::CommPurpose::kGradient);
        if (context.gpu().capturing() && rank.threads.rank() == 1 && refusals-- > 0)
          context.gpu().synchronise();
        rank.nccl->all_reduce(data.span(), comm::ReduceOp::kMax, comm::CommPurpose::kGradient);
      });
    out.launches = graph.launches();
  }
  out.values = device::host_copy<float>(context, std::span<const float>(data.span()));
  out.bytes = rank.threads.traffic().total_bytes();
  rank.threads.barrier();
  return out;
}

TEST_F(GpuFaults, ACaptureThatOneRankDoesNotManage) {
  test::with_nccl_ranks({3}, [](test::NcclRank& rank) {
    const Outcome want = steps_with_refusals(rank, 0);
    EXPECT_GT(want.launches, 6);
    const Outcome once = steps_with_refusals(rank, 1);  // the next attempt succeeds, on all ranks
    EXPECT_GT(once.launches, 4);
    EXPECT_LT(once.launches, want.launches);
    const Outcome never = steps_with_refusals(rank, 100);
    EXPECT_EQ(never.launches, 0);
    for (const Outcome& got : {once, never}) {
      EXPECT_EQ(got.values, want.values);
      EXPECT_EQ(got.bytes, want.bytes);
    }
  });
}

TEST_F(GpuFaults, AnErrorWhileACapturedStepLives) {
  const test::MemoryStore store = test::training_store(61, true);
  RunConfig config = test::training_config("gcn");
  config.epochs = 100;
  config.cuda_graph = "on";
  std::string text;
  try {
    comm::run_threads(4, {.timeout_seconds = 60}, [&](comm::Communicator& world) {
      test::NcclRank rank(world);
      parallel::ProcessGrid grid(*rank.nccl, {.gx = 2, .gy = 2});
      Trainer trainer(rank.context, grid, store, config);
      const auto apart = rank.nccl->split(0, world.rank(), comm::CommAxis::kWorld);
      device::Buffer<float> more(rank.context, 8);
      apart->broadcast(more.span(), 0, comm::CommPurpose::kForward);  // NCCL's communicator is made
      for (int epoch = 0; epoch < 100; ++epoch) {
        (void)trainer.step(epoch);
        if (world.rank() != 2 || trainer.graph_launches() < 3) continue;
        const comm::Request under_way =
            apart->iall_reduce(more.span(), comm::ReduceOp::kSum, comm::CommPurpose::kForward);
        throw base::InputError("a broken disk");
      }
    });
  } catch (const base::Error& e) {
    text = e.what();
  }
  EXPECT_EQ(text, "rank 2: a broken disk");
}

}  // namespace
}  // namespace opx::train
