// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Full-graph training of one rank: data, network and optimizer, one epoch at a time. Knows no files but the
// store; the session around it writes the run directory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/store.hpp"
#include "parallel/process_grid.hpp"
#include "parallel/shard_loader.hpp"
#include "tensor/loss.hpp"
#include "train/metrics.hpp"
#include "train/network.hpp"
#include "train/optimizer.hpp"

namespace opx::train {

/// What one forward pass over the whole graph says about the three splits.
struct Evaluation {
  SplitMetrics metrics;
  std::array<double, 3> loss{};
};

class Trainer {
 public:
  /// Loads this rank's part of `store` and builds the network. Collective over the grid; errors are agreed
  /// on. Throws InputError for a dataset without labels or without labelled training vertices,
  /// InvalidArgument for what else cannot be trained: no features and none learned, several replicas of the
  /// full graph. `for_training` false leaves out the transposes and the optimizer.
  Trainer(device::Context& context, parallel::ProcessGrid& grid, const graph::Store& store,
          const RunConfig& config, bool for_training = true);

  struct Step {
    double loss = 0, gradient_norm = 0, learning_rate = 0;
  };
  /// One full-batch step: epoch counts from 0 and gives the learning rate and the dropout masks.
  Step step(int epoch);
  /// Forward and backward without the update; the gradients are complete (summed over ranks) afterwards.
  double gradients(int epoch);
  [[nodiscard]] Evaluation evaluate();

  [[nodiscard]] Network& network() noexcept { return *network_; }
  [[nodiscard]] Optimizer& optimizer() noexcept { return *optimizer_; }
  [[nodiscard]] const layout::GraphShard& shard() const noexcept { return shard_; }
  [[nodiscard]] const graph::Store& store() const noexcept { return store_; }
  [[nodiscard]] parallel::ProcessGrid& grid() noexcept { return grid_; }
  [[nodiscard]] const model::ModelSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] const std::string& metric() const noexcept { return metric_; }
  /// Trained scalars of the whole model, learned features included.
  [[nodiscard]] Index parameter_count();

 private:
  void check(const graph::StoreInfo& info) const;
  void load(bool for_training);
  void build_optimizer();
  tensor::LossSum loss(tensor::MatrixView<const float> logits, std::size_t split, double scale,
                       tensor::MatrixView<float> gradient);
  double gradient_norm();

  device::Context& context_;
  parallel::ProcessGrid& grid_;
  const graph::Store& store_;
  RunConfig config_;
  std::string metric_;
  model::ModelSpec spec_;
  layout::GraphShard shard_;
  parallel::VertexData data_;
  std::array<std::vector<std::uint8_t>, 3> use_;  ///< rows of each split
  std::array<double, 3> terms_{};                 ///< labelled rows or entries of each split over all ranks
  std::unique_ptr<Network> network_;
  std::unique_ptr<Optimizer> optimizer_;
};

}  // namespace opx::train
