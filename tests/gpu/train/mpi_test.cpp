// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Training over an MPI that is given memory of GPUs, ranks that share the GPU: the bits and the traffic of
// collectives staged through the host. Under mpirun.
#include <vector>

#include "comm/device_communicator.hpp"
#include "comm/staged.hpp"
#include "device/transfer.hpp"
#include "support/gpu.hpp"
#include "support/ranks.hpp"
#include "support/train_case.hpp"
#include "train/trainer.hpp"

namespace opx::train {
namespace {

struct Steps {
  std::vector<double> losses, norms;
  std::vector<float> parameters;
  std::int64_t bytes = 0;
};

Steps train(device::Context& context, comm::Communicator& world, const layout::Grid& shape,
            const RunConfig& config) {
  const test::MemoryStore store = test::training_store(61, true);
  world.traffic().reset();
  parallel::ProcessGrid grid(world, shape);
  Trainer trainer(context, grid, store, config);
  Steps out;
  for (int epoch = 0; epoch < config.epochs; ++epoch) {
    const TrainerBase::Step step = trainer.step(epoch);
    out.losses.push_back(step.loss);
    out.norms.push_back(step.gradient_norm);
  }
  (void)trainer.evaluate();
  out.bytes = world.traffic().total_bytes();
  out.parameters =
      device::host_copy(context, std::span<const float>(trainer.network().parameters().values()));
  return out;
}

using GpuTrainMpi = test::GpuTest;

TEST_F(GpuTrainMpi, HasTheBitsOfStagedCollectives) {
  if (!test::under_mpi()) GTEST_SKIP() << "under mpirun only";
  test::for_each_world(
      {},
      [](comm::Communicator& world) {
        device::Context context({.threads = 1, .gpu = 0});
        const auto staged = comm::staged_communicator(context, world);
        const auto aware = comm::device_communicator(context, world);
        ASSERT_EQ(aware->backend(), "mpi+gpu");
        const bool four = world.size() == 4;
        for (const layout::Grid& shape : {four ? layout::Grid{.gx = 2, .gy = 2} : layout::Grid{.gx = 2},
                                          four ? layout::Grid{.gy = 2, .gz = 2} : layout::Grid{.gz = 2}}) {
          RunConfig config = test::training_config(shape.gx == 2 ? "gcn" : "sage");
          config.epochs = 3;
          config.panels = shape.gx;
          if (shape.gx == 1) config.model.norm = "batch";
          const Steps want = train(context, *staged, shape, config),
                      got = train(context, *aware, shape, config);
          EXPECT_EQ(got.losses, want.losses) << layout::to_string(shape);
          EXPECT_EQ(got.norms, want.norms) << layout::to_string(shape);
          EXPECT_EQ(got.parameters, want.parameters) << layout::to_string(shape);
          EXPECT_EQ(got.bytes, want.bytes) << layout::to_string(shape);
        }
      },
      {.timeout_seconds = 120, .gpu_aware_mpi = comm::GpuAwareMpi::kOn});
}

}  // namespace
}  // namespace opx::train
