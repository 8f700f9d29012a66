// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole runs on a GPU: checkpoints, resume, evaluation and prediction, from and to the CPU.
#include "train/session.hpp"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <unistd.h>

#include "comm/threads/job.hpp"
#include "graph/generate.hpp"
#include "graph/prepare.hpp"
#include "io/hdf5.hpp"
#include "support/gpu.hpp"
#include "train/checkpoint.hpp"
#include "train/options.hpp"

namespace opx::train {
namespace {

namespace fs = std::filesystem;

class GpuSession : public test::GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped()) return;
    folder_ = fs::temp_directory_path() / ("opx-gpu-session-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    device::Context host({.threads = 1});
    graph::PartitionOptions options{
        .vertices = 157, .classes = 4, .average_degree = 8, .feature_dim = 10, .train = 0.3, .valid = 0.3};
    options.seed = 3;
    (void)graph::prepare(host, graph::generate_partition(host, options), folder_ / "graph.opx", {});
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] RunConfig config_of(const std::string& run, bool gpu) const {
    RunConfig c;
    c.dataset = (folder_ / "graph.opx").string();
    c.run_dir = (folder_ / run).string();
    c.device = !gpu ? "cpu" : device::gpu::runtime_name() == "cuda" ? "cuda" : "gpu-host";
    c.model.hidden = {8};
    c.model.norm = "batch";
    c.epochs = 4;
    c.eval_every = 2;
    c.checkpoint_every = 2;
    c.seed = 5;
    resolve(c);
    return c;
  }

  static TrainResult run(int ranks, const RunConfig& config) {
    TrainResult result;
    comm::run_threads(ranks, {}, [&](comm::Communicator& world) {
      device::Context context({.threads = 1, .gpu = config.device == "cpu" ? -1 : 0});
      const TrainResult r = train(context, world, config);
      if (world.rank() == 0) result = r;
    });
    return result;
  }

  EvalResult evaluate_on(bool gpu, const fs::path& checkpoint) const {
    device::Context own({.threads = 1, .gpu = gpu ? 0 : -1});
    const auto world = comm::self_communicator();
    return evaluate(own, *world, config_of("unused", gpu), checkpoint);
  }

  std::string predict_on(bool gpu, const fs::path& checkpoint) const {
    device::Context own({.threads = 1, .gpu = gpu ? 0 : -1});
    const auto world = comm::self_communicator();
    const fs::path file = folder_ / (gpu ? "gpu.csv" : "cpu.csv");
    predict(own, *world, config_of("unused", gpu), checkpoint, {.output = file});
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  fs::path folder_;
};

std::vector<float> tensor_of(const fs::path& run, const std::string& name) {
  return io::H5File::open(find_checkpoint(run) / "model.h5").read_array<float>(name);
}

constexpr const char* kTensors[] = {"parameters/layers.0.weight", "parameters/layers.1.norm.running_var",
                                    "optimizer/exp_avg_sq/layers.0.weight"};

TEST_F(GpuSession, TrainsEvaluatesPredictsAndResumes) {
  const TrainResult whole = run(1, config_of("whole", true)), cpu = run(1, config_of("cpu", false));
  EXPECT_EQ(whole.epochs_done, 4);
  EXPECT_NEAR(whole.final_loss, cpu.final_loss, 1e-4 * cpu.final_loss);
  for (const char* name : kTensors) {
    const auto a = tensor_of(whole.run_dir, name), b = tensor_of(cpu.run_dir, name);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-3) << name;
  }

  RunConfig first = config_of("cut", true), second = first;
  first.epochs = 2;
  (void)run(1, first);
  second.resume = first.run_dir;
  EXPECT_EQ(run(1, second).final_loss, whole.final_loss) << "resume is bit-equal";
  for (const char* name : kTensors) EXPECT_EQ(tensor_of(first.run_dir, name), tensor_of(whole.run_dir, name));

  const EvalResult here = evaluate_on(true, whole.run_dir), there = evaluate_on(false, whole.run_dir);
  EXPECT_NEAR(here.valid_loss, there.valid_loss, 1e-4 * there.valid_loss);
  EXPECT_EQ(predict_on(true, whole.run_dir), predict_on(false, whole.run_dir));
}

// Cut within an epoch, whose results come a step late.
TEST_F(GpuSession, MiniBatchesResume) {
  const auto mini = [&](const std::string& run, bool gpu) {
    RunConfig c = config_of(run, gpu);
    c.mode = "mini";
    c.mini.batch_ratio = 0.25;
    c.mini.estimator = "self-normalised";
    c.model.first_aggregation = "recomputed";
    c.epochs = 2;
    return c;
  };
  const TrainResult whole = run(1, mini("mini", true)), cpu = run(1, mini("mini-cpu", false));
  EXPECT_NEAR(whole.final_loss, cpu.final_loss, 1e-4 * cpu.final_loss);

  RunConfig first = mini("mini-cut", true), second = first;
  int asked = 0;
  Hooks hooks;
  hooks.stop_requested = [&] { return ++asked >= 2; };  // before the second of four steps
  device::Context own({.threads = 1, .gpu = 0});
  const auto world = comm::self_communicator();
  EXPECT_THROW((void)train(own, *world, first, hooks), base::Interrupted);
  second.resume = first.run_dir;
  EXPECT_EQ(run(1, second).final_loss, whole.final_loss) << "resume is bit-equal";
  for (const char* name : kTensors) EXPECT_EQ(tensor_of(first.run_dir, name), tensor_of(whole.run_dir, name));
  EXPECT_EQ(predict_on(true, whole.run_dir), predict_on(false, whole.run_dir));
}

// The run that goes on captures at other steps than the whole one.
TEST_F(GpuSession, CapturedMiniBatchesResume) {
  const auto mini = [&](const std::string& run, const std::string& graph) {
    RunConfig c = config_of(run, true);
    c.mode = "mini";
    c.mini.batch_ratio = 0.25;
    c.cuda_graph = graph;
    return c;
  };
  const TrainResult whole = run(1, mini("graph", "on")), ever = run(1, mini("as-ever", "off"));
  EXPECT_NEAR(whole.final_loss, ever.final_loss, 1e-6 * ever.final_loss);
  RunConfig first = mini("graph-cut", "on"), second = first;
  int asked = 0;
  Hooks hooks;
  hooks.stop_requested = [&] { return ++asked >= 7; };  // within the second of four epochs
  device::Context own({.threads = 1, .gpu = 0});
  const auto world = comm::self_communicator();
  EXPECT_THROW((void)train(own, *world, first, hooks), base::Interrupted);
  second.resume = first.run_dir;
  EXPECT_EQ(run(1, second).final_loss, whole.final_loss) << "resume is bit-equal";
  for (const char* name : kTensors) EXPECT_EQ(tensor_of(first.run_dir, name), tensor_of(whole.run_dir, name));
}

TEST_F(GpuSession, RanksShareTheGpu) {
  RunConfig config = config_of("ranks", true);
  config.epochs = 2;
  const TrainResult one = run(1, config);
  config.run_dir = (folder_ / "two").string();
  EXPECT_NEAR(run(2, config).final_loss, one.final_loss, 1e-4 * one.final_loss);
}

// What the user reads: the component, the bytes, the plan, and flags that apply.
TEST_F(GpuSession, OutOfMemorySaysWhatWouldHelp) {
  const RunConfig config = config_of("small", true);
  std::vector<std::string> seen(2);
  const auto body = [&](comm::Communicator& world) {
    device::Context context({.threads = 1, .gpu = 0, .gpu_memory = 16000});
    try {
      (void)train(context, world, config);
    } catch (const base::OutOfMemory& error) {
      seen[static_cast<std::size_t>(world.rank())] = error.what();
      throw;
    }
  };
  EXPECT_THROW(comm::run_threads(2, {}, body), base::OutOfMemory);
  for (const std::string& message : seen) {
    EXPECT_THAT(message,
                testing::AllOf(testing::HasSubstr("rank "), testing::HasSubstr(": no GPU memory for ")));
    EXPECT_THAT(message, testing::HasSubstr("; the plan of a rank is "));
    EXPECT_THAT(message, testing::HasSubstr("what takes less: "));
  }
  EXPECT_EQ(base::exit_code(base::ErrorKind::kOutOfMemory), 4);
}

// Slow on the host runtime: with the first seed alone.
TEST_F(GpuSession, CoraHasTheLossesOfTheCpu) {
  const char* data = std::getenv("OPX_TEST_DATA");
  const char* seed = std::getenv("OPX_GPU_HOST_SEED");
  if (data == nullptr || !fs::exists(fs::path(data) / "cora"))
    GTEST_SKIP() << "OPX_TEST_DATA names no folder with cora";
  if (seed != nullptr && std::string(seed) != "1") GTEST_SKIP() << "with seed 1 alone";
  device::Context host({.threads = 1});
  (void)graph::prepare(host, graph::open_dataset(fs::path(data) / "cora", {}), folder_ / "cora.opx", {});
  std::vector<double> losses[2];
  for (const bool gpu : {false, true}) {
    RunConfig config = config_of(gpu ? "cora-gpu" : "cora-cpu", gpu);
    config.dataset = (folder_ / "cora.opx").string();
    config.model.norm = "none";
    config.model.layers = 2;
    config.model.hidden = {16};
    config.model.feature_norm = "row";
    config.model.input_dropout = 0;  // 1433 columns wide: the small graph has it
    config.epochs = 20;
    config.eval_every = 0;
    config.checkpoint_every = 0;
    device::Context own({.threads = 1, .gpu = gpu ? 0 : -1});
    const auto world = comm::self_communicator();
    Hooks hooks;
    hooks.on_epoch = [&](const EpochReport& report) { losses[gpu ? 1 : 0].push_back(report.loss); };
    (void)train(own, *world, config, hooks);
  }
  ASSERT_EQ(losses[0].size(), 20U);
  ASSERT_EQ(losses[1].size(), 20U);
  for (std::size_t e = 0; e < 20; ++e) EXPECT_NEAR(losses[1][e], losses[0][e], 1e-4 * losses[0][e]) << e;
}

}  // namespace
}  // namespace opx::train
