// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole runs on a prepared store: run directory, checkpoints, resume, evaluation, prediction, failures.
#include "train/session.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "graph/generate.hpp"
#include "graph/prepare.hpp"
#include "io/hdf5.hpp"
#include "support/ranks.hpp"
#include "train/checkpoint.hpp"
#include "train/checkpoint_files.hpp"
#include "train/options.hpp"

namespace opx::train {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A folder that all ranks (of all processes under MPI) agree on, with a prepared planted partition in it.
class Place {
 public:
  explicit Place(const std::string& name)
      : folder_(fs::temp_directory_path() / ("opx-session-" + name + "-" + std::to_string(::getppid()))) {}
  void make(comm::Communicator& world, std::uint64_t seed = 1, const std::string& file = "graph.opx",
            double valid = 0.3) const {
    if (world.rank() == 0) {
      if (file == "graph.opx") fs::remove_all(folder_);
      fs::create_directories(folder_);
      device::Context context({.threads = 1});
      graph::PartitionOptions options{.vertices = 307,
                                      .classes = 4,
                                      .average_degree = 8,
                                      .feature_dim = 10,
                                      .train = 0.3,
                                      .valid = valid};
      options.seed = seed;
      (void)graph::prepare(context, graph::generate_partition(context, options), folder_ / file, {});
    }
    world.barrier();
  }
  void remove(comm::Communicator& world) const {
    world.barrier();
    if (world.rank() == 0) fs::remove_all(folder_);
    world.barrier();
  }
  [[nodiscard]] fs::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  fs::path folder_;
};

RunConfig config_of(const Place& place, const std::string& run) {
  RunConfig c;
  c.dataset = (place / "graph.opx").string();
  c.run_dir = (place / run).string();
  c.model.hidden = {16};
  c.model.norm = "batch";
  c.epochs = 8;
  c.eval_every = 2;
  c.checkpoint_every = 3;
  c.keep_checkpoints = 2;
  c.seed = 5;
  resolve(c);
  return c;
}

TrainResult run(comm::Communicator& world, const RunConfig& config, const Hooks& hooks = {}) {
  device::Context context({.threads = 1});
  return train(context, world, config, hooks);
}

EvalResult evaluate_at(comm::Communicator& world, const Place& place, const fs::path& checkpoint) {
  device::Context context({.threads = 1});
  RunConfig config = config_of(place, "a");
  config.grid = "auto";
  return evaluate(context, world, config, checkpoint);
}

std::vector<std::string> lines(const fs::path& file) {
  std::ifstream in(file);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::vector<float> tensor_of(const fs::path& checkpoint, const std::string& name) {
  return io::H5File::open(find_checkpoint(checkpoint) / "model.h5").read_array<float>(name);
}

/// Parameters and optimizer state of two checkpoints, largest difference over the largest value.
double difference(const fs::path& a, const fs::path& b) {
  double worst = 0;
  for (const char* name :
       {"parameters/layers.0.weight", "parameters/layers.2.bias", "parameters/layers.1.norm.running_var",
        "optimizer/exp_avg/layers.1.weight", "optimizer/exp_avg_sq/layers.0.weight"}) {
    const auto x = tensor_of(a, name), y = tensor_of(b, name);
    double scale = 0, far = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      scale = std::max(scale, std::abs(static_cast<double>(x[i])));
      far = std::max(far, std::abs(static_cast<double>(x[i]) - static_cast<double>(y.at(i))));
    }
    worst = std::max(worst, far / scale);
  }
  return worst;
}

TEST(Session, WritesItsRunDirectory) {
  test::for_each_world({1, 4}, [](comm::Communicator& world) {
    const Place place("run");
    place.make(world);
    RunConfig config = config_of(place, "a");
    config.trace = true;
    const TrainResult r = run(world, config);
    EXPECT_EQ(r.epochs_done, 8);
    EXPECT_EQ(r.metric, "accuracy");
    EXPECT_GT(r.last_test.at("accuracy"), 0.5) << "it learns";
    // the model knows what grows with the graph; at this size the rest is up to half as much again
    EXPECT_GT(static_cast<double>(r.peak_memory), 0.7 * static_cast<double>(r.modelled_memory));
    EXPECT_LT(static_cast<double>(r.peak_memory), 2.0 * static_cast<double>(r.modelled_memory));
    if (world.staging() != nullptr)
      EXPECT_GT(r.peak_memory, static_cast<std::int64_t>(world.staging()->peak())) << "counted with the rest";
    EXPECT_EQ(r.last_checkpoint, place / "a/checkpoints/epoch-000008");
    EXPECT_FALSE(fs::exists(place / "a/checkpoints/epoch-000003")) << "two are kept";
    EXPECT_TRUE(fs::exists(place / "a/checkpoints/epoch-000006/DONE"));
    if (world.rank() == 0) {
      const auto journal = lines(place / "a/metrics.jsonl");
      EXPECT_EQ(journal.size(), 8U);
      EXPECT_THAT(journal[1], HasSubstr("\"valid\":{\"accuracy\""));
      EXPECT_THAT(lines(place / "a/trace.json").front(), HasSubstr("traceEvents"));
      RunConfig back;
      read_toml(back, place / "a/config.toml");
      EXPECT_EQ(back.seed, 5U);
      EXPECT_EQ(back.model.norm, "batch");
    }
    place.remove(world);
  });
}

TEST(Session, ResumeIsBitEqualOnTheSameGridAndCloseOnAnother) {
  test::for_each_world({1, 2, 4}, [](comm::Communicator& world) {
    const Place place("resume");
    for (const bool learned : {false, true}) {
      place.make(world);
      RunConfig whole = config_of(place, "whole");
      if (learned) whole.model.features = "learned", whole.model.feature_dim = 6;
      const TrainResult want = run(world, whole);
      RunConfig first = whole;
      first.run_dir = (place / "cut").string();
      int epochs = 0;
      Hooks stop{.on_epoch = [&](const EpochReport&) { ++epochs; },
                 .stop_requested = [&] { return epochs >= 5 && world.rank() == 0; }};
      EXPECT_THROW((void)run(world, first, stop), base::Interrupted);
      EXPECT_EQ(find_checkpoint(first.run_dir).filename(), "epoch-000005");
      RunConfig second = first;
      second.run_dir.clear();
      second.resume = first.run_dir;
      const TrainResult got = run(world, second);
      EXPECT_EQ(got.final_loss, want.final_loss);
      EXPECT_EQ(got.best_epoch, want.best_epoch);
      EXPECT_EQ(got.last_test, want.last_test);
      EXPECT_EQ(difference(want.last_checkpoint, got.last_checkpoint), 0);
      if (learned) {
        EXPECT_EQ(tensor_of(want.last_checkpoint, "parameters/features"),
                  tensor_of(got.last_checkpoint, "parameters/features"));
      }
      if (world.rank() == 0) {
        EXPECT_EQ(lines(place / "cut/metrics.jsonl").size(), 8U);
      }

      RunConfig other = second;
      other.grid = layout::to_string(layout::tensor_grids(world.size()).back());
      other.resume = (place / "cut/checkpoints/epoch-000006").string();
      other.run_dir = (place / "other").string();
      const TrainResult elsewhere = run(world, other);
      EXPECT_NEAR(elsewhere.final_loss, want.final_loss, 1e-4 * want.final_loss);
    }
    place.remove(world);
  });
}

// Epochs 6 and 8 are of a future that is given up: they must neither push out the new checkpoints nor count
// as newer.
TEST(Session, ResumeFromAnEarlierCheckpointOfTheSameRun) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Place place("earlier");
    place.make(world);
    RunConfig config = config_of(place, "a");
    config.checkpoint_every = 2;
    config.keep_checkpoints = 3;
    const TrainResult want = run(world, config);
    RunConfig again = config;
    again.resume = (place / "a/checkpoints/epoch-000004").string();
    again.epochs = 7;
    int epochs = 4;
    const Hooks stop{.on_epoch = [&](const EpochReport&) { ++epochs; },
                     .stop_requested = [&] { return epochs >= 5; }};
    EXPECT_THROW((void)run(world, again, stop), base::Interrupted);
    EXPECT_EQ(find_checkpoint(config.run_dir).filename(), "epoch-000005");
    EXPECT_TRUE(fs::exists(place / "a/checkpoints/epoch-000004/DONE"));
    EXPECT_FALSE(fs::exists(place / "a/checkpoints/epoch-000008"));
    again.resume = config.run_dir;
    again.epochs = 8;
    EXPECT_EQ(run(world, again).final_loss, want.final_loss);
    place.remove(world);
  });
}

TEST(Session, ACheckpointIsWholeWithItsModelAndDoneOnly) {
  const Place place("whole-" + std::to_string(::getpid()));
  fs::remove_all(place / "");
  for (const char* name : {"epoch-999999", "epoch-1000000", "epoch-1000001", "epoch-1000002"}) {
    const fs::path folder = place / "checkpoints" / name;
    fs::create_directories(folder);
    if (std::string(name) != "epoch-1000001") std::ofstream(folder / "DONE") << "";
    if (std::string(name) != "epoch-1000002") std::ofstream(folder / "model.h5") << "";
  }
  EXPECT_EQ(find_checkpoint(place / "").filename(), "epoch-1000000");
  fs::remove_all(place / "");
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void flip(const fs::path& file, std::size_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const auto byte = static_cast<char>(stream.get() ^ 0x10);
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(byte);
}

/// Where the elements of a dataset lie in its file.
std::size_t position_of(const fs::path& checkpoint, const std::string& name) {
  const std::vector<float> values = tensor_of(checkpoint, name);
  const std::string_view pattern(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return bytes_of(find_checkpoint(checkpoint) / "model.h5").find(pattern);
}

TEST(Session, AFlippedByteInACheckpointIsFoundAndNamed) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Place place("flipped");
    place.make(world);
    RunConfig config = config_of(place, "a");
    config.model.features = "learned", config.model.feature_dim = 6;
    (void)run(world, config);
    const fs::path last = place / "a/checkpoints/epoch-000008", model = last / "model.h5";
    config.resume = config.run_dir;
    for (const char* name :
         {"parameters/layers.1.weight", "optimizer/exp_avg_sq/layers.0.weight", "parameters/features"}) {
      const std::size_t at = position_of(last, name);
      ASSERT_NE(at, std::string::npos);
      world.barrier();
      if (world.rank() == 0) flip(model, at + 5);
      world.barrier();
      try {
        (void)run(world, config);
        ADD_FAILURE() << "no error for " << name;
      } catch (const base::Error& e) {
        EXPECT_EQ(e.kind(), base::ErrorKind::kFormat);
        EXPECT_THAT(e.what(),
                    HasSubstr("model.h5: dataset '" + std::string(name) + "': the checkpoint is damaged"));
        EXPECT_THAT(e.what(), HasSubstr((place / "a/checkpoints/epoch-000006").string()));
      }
      world.barrier();
      if (world.rank() == 0) flip(model, at + 5);
      world.barrier();
    }
    EXPECT_EQ(run(world, config).epochs_done, 8) << "flipped back it is whole";
    place.remove(world);
  });
}

TEST(Session, EveryByteOfACheckpointIsUnderItsChecksum) {
  if (test::under_mpi()) GTEST_SKIP() << "one rank is enough";
  test::for_each_world({1}, [](comm::Communicator& world) {
    const Place place("bytes");
    place.make(world);
    (void)run(world, config_of(place, "a"));
    const fs::path last = place / "a/checkpoints/epoch-000008", older = place / "a/checkpoints/epoch-000006";
    const std::size_t size = fs::file_size(last / "model.h5");
    EXPECT_NO_THROW(verify_checkpoint(last));
    for (std::size_t at = 0; at < size; at += 151) {
      flip(last / "model.h5", at);
      EXPECT_THROW(verify_checkpoint(last), base::FormatError) << "byte " << at;
      EXPECT_THROW((void)evaluate_at(world, place, last), base::FormatError) << "byte " << at;
      flip(last / "model.h5", at);
    }
    flip(older / "model.h5", 4000);
    flip(last / "DONE", 3);
    EXPECT_THAT([&] { verify_checkpoint(last); }, testing::ThrowsMessage<base::FormatError>(
                                                      HasSubstr("no older checkpoint beside it is intact")));
    std::ofstream(last / "DONE", std::ios::trunc) << "";
    EXPECT_THAT([&] { verify_checkpoint(last); }, testing::ThrowsMessage<base::FormatError>(
                                                      HasSubstr("DONE: it holds no checksum of model.h5")));
    place.remove(world);
  });
}

TEST(Session, WhatAnUnfinishedCheckpointLeftIsRemoved) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Place place("leftover");
    place.make(world);
    RunConfig config = config_of(place, "a");
    (void)run(world, config);
    const fs::path left = place / "a/checkpoints/.epoch-000009.tmp";
    if (world.rank() == 0) {
      fs::create_directories(left);
      std::ofstream(left / "model.h5") << "half";
    }
    world.barrier();
    config.resume = config.run_dir;
    EXPECT_EQ(run(world, config).epochs_done, 8);
    EXPECT_FALSE(fs::exists(left));
    EXPECT_TRUE(fs::exists(place / "a/checkpoints/epoch-000008/DONE"));
    place.remove(world);
  });
}

TEST(Session, ACheckpointLoadsOnAnyNumberOfRanks) {
  if (test::under_mpi()) GTEST_SKIP() << "the number of ranks is fixed under mpirun";
  const Place place("ranks");
  EvalResult want;
  std::vector<std::string> predictions;
  test::for_each_world({4, 1, 2, 3}, [&](comm::Communicator& world) {
    RunConfig config = config_of(place, "a");
    if (world.size() == 4) {
      place.make(world);
      (void)run(world, config);
    }
    device::Context context({.threads = 1});
    config.grid = "auto";
    const EvalResult got = evaluate(context, world, config, place / "a");
    const fs::path csv = place / ("p" + std::to_string(world.size()) + ".csv");
    predict(context, world, config, place / "a", {.output = csv});
    predict(context, world, config, place / "a", {.output = place / "e.npy", .embeddings = true});
    predict(context, world, config, place / "a", {.output = place / "q.h5", .probabilities = true});
    if (world.rank() != 0) return;
    if (world.size() == 4) want = got, predictions = lines(csv);
    EXPECT_NEAR(got.test_loss, want.test_loss, 1e-4 * want.test_loss);
    EXPECT_EQ(got.test.at("accuracy"), want.test.at("accuracy"));
    EXPECT_EQ(lines(csv), predictions);
    EXPECT_EQ(predictions.size(), 308U);
    const auto p = io::H5File::open(place / "q.h5").read_array<float>("prediction");
    for (std::size_t i = 0; i < p.size(); i += 4)
      ASSERT_NEAR(static_cast<double>(p[i] + p[i + 1] + p[i + 2] + p[i + 3]), 1, 1e-5);
  });
  test::for_each_world({1}, [&](comm::Communicator& world) { place.remove(world); });
}

TEST(Session, RefusesWhatCannotBe) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Place place("refuse");
    place.make(world);
    place.make(world, 2, "other.opx");
    const RunConfig good = config_of(place, "a");
    (void)run(world, good);
    device::Context context({.threads = 1});
    const auto expect_error = [&](const RunConfig& c, base::ErrorKind kind, const char* text) {
      try {
        (void)run(world, c);
        ADD_FAILURE() << "no error; wanted " << text;
      } catch (const base::Error& e) {
        EXPECT_EQ(e.kind(), kind) << e.what();
        EXPECT_THAT(e.what(), HasSubstr(text));
      }
    };
    RunConfig c = good;
    c.resume = c.run_dir;
    c.dataset = (place / "other.opx").string();
    expect_error(c, base::ErrorKind::kFormat, "checksum");
    c = good;
    c.resume = c.run_dir;
    c.model.hidden = {17};
    expect_error(c, base::ErrorKind::kInvalidArgument, "hidden widths");
    c = good;
    c.resume = c.run_dir;
    c.model.kind = "gin", c.model.normalisation = "none", c.model.self_loops = false;
    expect_error(c, base::ErrorKind::kInvalidArgument, "with model gcn, this run has gin");
    c.seed = 6;
    expect_error(c, base::ErrorKind::kInvalidArgument, "seed");
    c = good;
    c.resume = c.run_dir;
    c.metric = "macro_f1";
    expect_error(c, base::ErrorKind::kInvalidArgument, "best epoch by accuracy");
    RunConfig second = config_of(place, "b");
    second.epochs = 1;
    (void)run(world, second);
    c = good;
    c.resume = c.run_dir;
    c.run_dir = second.run_dir;
    expect_error(c, base::ErrorKind::kInvalidArgument, "another run");
    EXPECT_TRUE(fs::exists(place / "b/checkpoints/epoch-000001/DONE"));
    c = good;
    c.mode = "mini";
    c.resume = c.run_dir;
    expect_error(c, base::ErrorKind::kInvalidArgument, "with mode full, this run has mini");
    c = good;
    c.resume = (place / "nowhere").string();
    expect_error(c, base::ErrorKind::kInput, "no checkpoint");
    expect_error(good, base::ErrorKind::kInvalidArgument, "another run");
    c = good;
    c.run_dir = "/proc/opx-run";
    expect_error(c, base::ErrorKind::kResource, "/proc/opx-run");
    c = config_of(place, "diverged");
    c.optimizer.kind = "sgd";
    c.optimizer.learning_rate = 1e9;
    c.model.norm = "none";
    expect_error(c, base::ErrorKind::kDiverged, "diverged");
    place.remove(world);
  });
}

// ---------------------------------------------------------------- mini-batches

/// Five sub-batches an epoch.
RunConfig mini_config_of(const Place& place, const std::string& run, const char* sampler = "stratified") {
  RunConfig c = config_of(place, run);
  c.mode = "mini";
  c.mini.batch_ratio = 0.2;
  c.mini.sampler = sampler;
  c.epochs = 4;
  c.checkpoint_every = 0;
  return c;
}

/// Asks to stop at the n-th poll; a rank polls before every step and after every epoch.
Hooks stop_at(int n, bool asks) {
  Hooks hooks;
  hooks.stop_requested = [n, asks, polls = 0]() mutable { return asks && ++polls >= n; };
  return hooks;
}

TEST(MiniSession, StopsWithinAnEpochAndResumesBitEqual) {
  test::for_each_world({1, 2, 4}, [](comm::Communicator& world) {
    const Place place("mini-stop");
    for (const char* sampler : {"stratified", "saint-walk"}) {
      place.make(world);
      RunConfig whole = mini_config_of(place, "whole", sampler);
      if (world.size() > 1) whole.grid = layout::to_string({world.size() / 2, 1, 1, 2});
      const TrainResult want = run(world, whole);
      const int steps = world.size() > 1 ? 3 : 5;  // two replicas share the sub-batches
      RunConfig cut = whole;
      cut.run_dir = (place / "cut").string();
      const bool asks = world.rank() == world.size() - 1;
      try {
        (void)run(world, cut, stop_at(steps + 1 + 2, asks));
        ADD_FAILURE() << "not stopped";
      } catch (const base::Interrupted& e) {
        EXPECT_THAT(e.what(), HasSubstr("stopped in epoch 2 of 4 after 2 of its"));
      }
      EXPECT_EQ(find_checkpoint(cut.run_dir).filename(), "epoch-000001-step-000002");
      cut.resume = cut.run_dir;
      const TrainResult got = run(world, cut);
      EXPECT_EQ(got.final_loss, want.final_loss) << sampler;
      EXPECT_EQ(got.last_test, want.last_test) << sampler;
      EXPECT_EQ(difference(want.last_checkpoint, got.last_checkpoint), 0) << sampler;
      if (world.rank() == 0) {
        EXPECT_EQ(lines(place / "cut/metrics.jsonl").size(), 4U);
      }
      world.barrier();
    }
    place.remove(world);
  });
}

TEST(MiniSession, EveryCheckpointWithinAnEpochResumesBitEqual) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Place place("mini-steps");
    for (const char* sampler : {"stratified", "saint-walk"}) {
      place.make(world);
      RunConfig config = mini_config_of(place, "whole", sampler);
      config.mini.checkpoint_every_steps = 3;
      config.keep_checkpoints = 100;
      const TrainResult want = run(world, config);
      for (const char* name :
           {"epoch-000000-step-000003", "epoch-000001-step-000004", "epoch-000003-step-000003"}) {
        RunConfig again = config;
        again.resume = (place / "whole/checkpoints" / name).string();
        again.run_dir = (place / name).string();
        const TrainResult got = run(world, again);
        EXPECT_EQ(got.final_loss, want.final_loss) << sampler << " " << name;
        EXPECT_EQ(difference(want.last_checkpoint, got.last_checkpoint), 0) << sampler << " " << name;
      }
      world.barrier();  // all have read before the first rank clears the place
    }
    place.remove(world);
  });
}

TEST(MiniSession, ResumeWithOtherSubBatchesIsRefused) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Place place("mini-refuse");
    place.make(world);
    RunConfig good = mini_config_of(place, "a");
    good.epochs = 1;
    (void)run(world, good);
    good.resume = good.run_dir;
    good.epochs = 2;
    const auto refused = [&](auto&& change, const char* text) {
      RunConfig c = good;
      change(c);
      try {
        (void)run(world, c);
        ADD_FAILURE() << "no error; wanted " << text;
      } catch (const base::InvalidArgument& e) {
        EXPECT_THAT(e.what(), HasSubstr(text));
      }
    };
    refused([](RunConfig& c) { c.mini.sampler = "uniform"; },
            "with sampler stratified, this run has uniform");
    refused([](RunConfig& c) { c.mini.batch_ratio = 0.25; },
            "batches of a ratio of 0.2, this run has a ratio of 0.25");
    refused([](RunConfig& c) { c.mini.batch_ratio = 0.1, c.mini.batch_size = 61; },
            "batches of a ratio of 0.2, this run has 61 vertices");
    refused([](RunConfig& c) { c.mini.estimator = "unbiased"; },
            "with estimator self-normalised, this run has unbiased");  // auto, as it was recorded
    refused([](RunConfig& c) { c.mini.accumulate = 2; },
            "steps of 1 sub-batches, this run has 2 sub-batches");
    refused([](RunConfig& c) { c.mode = "full", c.mini = {}; }, "with mode mini, this run has full");
    EXPECT_EQ(run(world, good).epochs_done, 2);
    place.remove(world);
  });
}

TEST(MiniSession, WithoutValidationVerticesThereIsNoBestEpochAndNoPatience) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Place place("mini-no-valid");
    place.make(world, 1, "graph.opx", 0);
    RunConfig config = mini_config_of(place, "a");
    config.target_metric = 0.01;
    const TrainResult r = run(world, config);
    EXPECT_EQ(r.epochs_done, 4);
    EXPECT_EQ(r.best_epoch, -1);
    EXPECT_EQ(r.target_epoch, -1);
    EXPECT_TRUE(std::isnan(r.last_valid.at("accuracy")));
    EXPECT_GT(r.last_test.at("accuracy"), 0);
    config = mini_config_of(place, "b");
    config.patience = 2;
    try {
      (void)run(world, config);
      ADD_FAILURE() << "no error";
    } catch (const base::InvalidArgument& e) {
      EXPECT_THAT(e.what(), HasSubstr("patience 2 needs validation vertices"));
    }
    place.remove(world);
  });
}

TEST(MiniSession, TheTraceHasALaneOfTheSampler) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Place place("mini-trace");
    place.make(world);
    RunConfig config = mini_config_of(place, "a");
    config.trace = true;
    config.target_metric = 0.01;
    const TrainResult r = run(world, config);
    EXPECT_EQ(r.target_epoch, 2) << "the first evaluation";
    EXPECT_GT(r.train_seconds, r.target_seconds);
    EXPECT_GT(r.evaluate_seconds, 0);
    if (world.rank() == 0) {
      std::vector<int> built(static_cast<std::size_t>(world.size()), 0);
      for (const std::string& line : lines(place / "a/trace.json"))
        for (int rank = 0; rank < world.size(); ++rank)
          built[static_cast<std::size_t>(rank)] +=
              line.find("\"cat\":\"sample\"") != std::string::npos &&
              line.find("\"pid\":" + std::to_string(rank) + ",\"tid\":1}") != std::string::npos;
      EXPECT_EQ(built, std::vector<int>(built.size(), 20)) << "four epochs of five on every rank";
    }
    place.remove(world);
  });
}

TEST(MiniSession, ReplicasTimesTensorRanksAreTheRanks) {
  test::for_each_world({2, 4}, [](comm::Communicator& world) {
    const Place place("mini-ranks");
    place.make(world);
    RunConfig config = mini_config_of(place, "a");
    config.grid = layout::to_string({1, 1, world.size(), 2});
    try {
      (void)run(world, config);
      ADD_FAILURE() << "no error";
    } catch (const base::InvalidArgument& e) {
      EXPECT_THAT(e.what(), HasSubstr("takes " + std::to_string(2 * world.size()) + " ranks, but there are " +
                                      std::to_string(world.size())));
    }
    place.remove(world);
  });
}

TEST(Session, EarlyStoppingEndsTheRun) {
  test::for_each_world({1, 2}, [](comm::Communicator& world) {
    const Place place("early");
    place.make(world);
    RunConfig config = config_of(place, "a");
    config.epochs = 500;
    config.eval_every = 1;
    config.patience = 4;
    const TrainResult r = run(world, config);
    EXPECT_LT(r.epochs_done, 500);
    EXPECT_EQ(r.epochs_done, r.best_epoch + 4);
    place.remove(world);
  });
}

}  // namespace
}  // namespace opx::train
