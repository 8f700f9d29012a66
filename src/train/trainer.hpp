// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
//
// Full-graph training of one rank, one epoch at a time: an epoch is a step.
#pragma once

#include <memory>

#include "train/step_graph.hpp"
#include "train/trainer_base.hpp"

namespace opx::train {

class Trainer final : public TrainerBase {
 public:
  /// Loads this rank's part of `store` and builds the network. Collective over the grid; errors are agreed
  /// on. Throws InputError for a dataset without labels or without labelled training vertices,
  /// InvalidArgument for what else cannot be trained: no features and none learned, several replicas of the
  /// full graph. `for_training` false leaves out the transposes and the optimizer.
  Trainer(device::Context& context, parallel::ProcessGrid& grid, const graph::Store& store,
          const RunConfig& config, bool for_training = true);

  /// The epoch gives the learning rate and the dropout masks.
  void begin_step(At at, bool stop) override;
  using TrainerBase::step;
  Step step(int epoch) { return step({.epoch = epoch}, false); }
  [[nodiscard]] Index steps_per_epoch() const noexcept override { return 1; }
  /// Forward and backward without the update; the gradients are complete (summed over ranks) afterwards.
  double gradients(int epoch);
  [[nodiscard]] Network& network() noexcept override { return *network_; }
  /// Steps that were launched as one graph so far.
  [[nodiscard]] Index graph_launches() const noexcept { return graph_ ? graph_->launches() : 0; }

 private:
  void begin_deferred(int epoch, double learning_rate);
  /// One step on a GPU but for its result; of `there`, where not null, what `inputs` holds is read from.
  void compute_deferred(const tensor::deferred::StepInputs& inputs,
                        const tensor::deferred::StepInputs* there);

  std::unique_ptr<FullNetwork> network_;
  device::Buffer<double> loss_;       ///< on a GPU
  std::unique_ptr<StepGraph> graph_;  ///< null: none
};

}  // namespace opx::train
