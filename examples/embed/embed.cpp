// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Training inside another program, with the installed library: generates a graph, prepares it, trains a GCN
// on two ranks that are threads of this process, and prints the test accuracy.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "comm/threads/job.hpp"
#include "device/context.hpp"
#include "graph/generate.hpp"
#include "graph/prepare.hpp"
#include "train/session.hpp"

namespace {

using namespace opx;

void make_dataset(const std::filesystem::path& file) {
  device::Context context;
  graph::PartitionOptions options;
  options.vertices = 4000;
  options.classes = 4;
  options.feature_dim = 16;
  const graph::PrepareReport report =
      graph::prepare(context, graph::generate_partition(context, options), file, {});
  std::printf("prepared %lld vertices and %lld edges\n", static_cast<long long>(report.vertices),
              static_cast<long long>(report.stored_edges));
}

double train_on_two_ranks(const std::filesystem::path& folder) {
  train::RunConfig config;
  config.dataset = (folder / "graph.opx").string();
  config.run_dir = (folder / "run").string();
  config.ranks = 2;
  config.epochs = 50;
  config.eval_every = 0;
  config.model.layers = 2;
  config.model.hidden = {32};
  double accuracy = 0;
  comm::run_threads(config.ranks, {}, [&](comm::Communicator& world) {
    device::Context context({.threads = std::max(1, device::hardware_threads() / world.size())});
    const train::TrainResult result = train::train(context, world, config);
    if (world.rank() == 0) accuracy = result.last_test.at("accuracy");
  });
  return accuracy;
}

}  // namespace

int main() {
  const std::filesystem::path folder = "embed-data";
  try {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    make_dataset(folder / "graph.opx");
    const double accuracy = train_on_two_ranks(folder);
    std::printf("test accuracy %.4f\n", accuracy);
    return accuracy > 0.5 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "embed: %s\n", error.what());
    return 1;
  }
}
